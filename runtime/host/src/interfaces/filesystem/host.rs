//! The functions of `wasi:filesystem`, one after the other: which of them are counted, and how.
//!
//! Longer than a file should be, because the interface is: most of it hands on.

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use plugwork_core::policy::Access;
use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    self, DescriptorType, ErrorCode, HostDescriptor, HostDirectoryEntryStream, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult};

use super::folder::{Folder, Full, Handle, listing_bytes};
use super::stream::{QuotaReached, Reading, Writing};
use super::{Files, again};

type Fd = Resource<Descriptor>;

impl preopens::Host for Files<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Fd, String)>> {
        preopens::Host::get_directories(&mut self.inner)
    }
}

impl types::Host for Files<'_> {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        self.inner.convert_error_code(error)
    }

    fn filesystem_error_code(&mut self, error: Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        if self.inner.table.get(&error)?.downcast_ref::<QuotaReached>().is_some() {
            return Ok(Some(ErrorCode::Quota));
        }
        self.inner.filesystem_error_code(error)
    }
}

impl HostDirectoryEntryStream for Files<'_> {
    async fn read_directory_entry(&mut self, stream: Resource<types::DirectoryEntryStream>) -> FsResult<Option<types::DirectoryEntry>> {
        self.inner.read_directory_entry(stream).await
    }

    fn drop(&mut self, stream: Resource<types::DirectoryEntryStream>) -> wasmtime::Result<()> {
        self.opened.handles.remove(&stream.rep());
        HostDirectoryEntryStream::drop(&mut self.inner, stream)
    }
}

/// What changes something: counted.
impl Files<'_> {
    async fn open_counted(
        &mut self,
        folder: Arc<Folder>,
        fd: Fd,
        path_flags: PathFlags,
        path: String,
        open_flags: OpenFlags,
        flags: types::DescriptorFlags,
    ) -> FsResult<Fd> {
        let _turn = folder.turn.lock().await;
        let found = self.find(&fd, path_flags, &path).await;
        if let Some(found) = &found
            && !matches!(found.stat.type_, DescriptorType::RegularFile | DescriptorType::Directory | DescriptorType::SymbolicLink)
        {
            return self.deny(ErrorCode::NotPermitted, &folder.kind_denial(&path));
        }
        let mut handle = match folder.handle() {
            Ok(handle) => handle,
            Err(full) => return self.deny(ErrorCode::Quota, &folder.denial(full)),
        };
        let writes = flags.contains(types::DescriptorFlags::WRITE) || open_flags.intersects(OpenFlags::CREATE | OpenFlags::TRUNCATE);
        if writes {
            let walked = folder.clone();
            wasmtime_wasi::runtime::spawn_blocking(move || walked.walk_once()).await;
        }
        let creates = u64::from(found.is_none() && open_flags.contains(OpenFlags::CREATE));
        self.grow(&folder, 0, creates).await?;
        let opened = self.inner.open_at(fd, path_flags, path, open_flags, flags).await;
        let opened = match opened {
            Ok(opened) => opened,
            Err(error) => {
                folder.shrink(0, creates);
                return Err(error);
            }
        };
        if let Descriptor::File(file) = self.inner.table.get(&opened)? {
            let metadata = file.file.metadata()?;
            let hash = self.inner.metadata_hash(again(&opened)).await?;
            let identity = (hash.lower, hash.upper);
            let truncated = open_flags.contains(OpenFlags::TRUNCATE);
            if let Some(found) = found.filter(|found| truncated && found.identity == identity && folder.size(identity).is_none()) {
                folder.shrink(found.stat.size, 0);
            }
            handle.is_file(identity, (metadata.dev(), metadata.ino()), metadata.len());
            if truncated {
                folder.set_size(identity, 0);
            }
        }
        self.opened.handles.insert(opened.rep(), Arc::new(handle));
        Ok(opened)
    }

    /// Looks first how much there is: nothing else bounds what a listing takes of the host.
    async fn list_counted(&mut self, folder: Arc<Folder>, fd: Fd) -> FsResult<Resource<types::DirectoryEntryStream>> {
        // Between looking and reading no instance of the plugin can add to it.
        let _turn = folder.turn.lock().await;
        let Descriptor::Dir(listed) = self.inner.table.get(&fd)? else { return Err(ErrorCode::NotDirectory.into()) };
        let listed = listed.dir.clone();
        let mut handle = match folder.handle() {
            Ok(handle) => handle,
            Err(full) => return self.deny(ErrorCode::Quota, &folder.denial(full)),
        };
        let bytes = wasmtime_wasi::runtime::spawn_blocking(move || listing_bytes(&*listed)).await;
        let Some(bytes) = bytes.map_err(std::io::Error::from)? else {
            return self.deny(ErrorCode::Overflow, &folder.denial(Full::Listing));
        };
        match folder.hold(bytes) {
            Ok(memory) => handle.memory = Some(memory),
            Err(denial) => return self.deny(ErrorCode::InsufficientMemory, &denial),
        }
        let listing = self.inner.read_directory(fd).await?;
        self.opened.handles.insert(listing.rep(), Arc::new(handle));
        Ok(listing)
    }

    async fn set_size_counted(&mut self, handle: &Handle, fd: Fd, size: u64) -> FsResult<()> {
        let folder = handle.folder.clone();
        let Some(identity) = handle.file else { return self.inner.set_size(fd, size).await };
        let _turn = folder.turn.lock().await;
        let before = folder.size(identity).unwrap_or(0);
        self.book(&folder, |folder| folder.extend(identity, Some(size), 0).map(drop)).await?;
        let outcome = self.inner.set_size(fd, size).await;
        folder.set_size(identity, if outcome.is_ok() { size } else { before });
        outcome
    }

    async fn rename_counted(&mut self, folder: &Folder, fd: Fd, old: String, new_fd: Fd, new: String) -> FsResult<()> {
        let _turn = folder.turn.lock().await;
        let moved = self.find(&fd, PathFlags::empty(), &old).await;
        let replaced = self.find(&new_fd, PathFlags::empty(), &new).await;
        self.inner.rename_at(fd, old, new_fd, new).await?;
        // Two names of one file: the system does nothing.
        let Some(replaced) = replaced.filter(|replaced| moved.is_none_or(|moved| moved.identity != replaced.identity)) else {
            return Ok(());
        };
        folder.shrink(0, 1);
        if replaced.is_file() && replaced.stat.link_count == 1 {
            folder.unlinked(replaced.identity, replaced.stat.size);
        }
        Ok(())
    }
}

impl HostDescriptor for Files<'_> {
    async fn open_at(
        &mut self,
        fd: Fd,
        path_flags: PathFlags,
        path: String,
        open_flags: OpenFlags,
        flags: types::DescriptorFlags,
    ) -> FsResult<Fd> {
        let writes = flags.contains(types::DescriptorFlags::WRITE) || open_flags.intersects(OpenFlags::CREATE | OpenFlags::TRUNCATE);
        self.judge(&path, if writes { Access::Write } else { Access::Read })?;
        match self.folder() {
            Some(folder) => self.open_counted(folder, fd, path_flags, path, open_flags, flags).await,
            None => self.inner.open_at(fd, path_flags, path, open_flags, flags).await,
        }
    }

    fn drop(&mut self, fd: Fd) -> wasmtime::Result<()> {
        self.opened.handles.remove(&fd.rep());
        HostDescriptor::drop(&mut self.inner, fd)
    }

    async fn set_size(&mut self, fd: Fd, size: types::Filesize) -> FsResult<()> {
        match self.handle(&fd) {
            Some(handle) => self.set_size_counted(&handle, fd, size).await,
            None => self.inner.set_size(fd, size).await,
        }
    }

    async fn write(&mut self, fd: Fd, buffer: Vec<u8>, offset: types::Filesize) -> FsResult<types::Filesize> {
        let Some((handle, identity)) = self.handle(&fd).and_then(|handle| handle.file.map(|file| (handle, file))) else {
            return self.inner.write(fd, buffer, offset).await;
        };
        let folder = handle.folder.clone();
        let _turn = folder.turn.lock().await;
        let end = offset.saturating_add(buffer.len() as u64);
        self.book(&folder, |folder| folder.extend(identity, Some(end), 0).map(drop)).await?;
        self.inner.write(fd, buffer, offset).await
    }

    fn write_via_stream(&mut self, fd: Fd, offset: types::Filesize) -> FsResult<Resource<DynOutputStream>> {
        let handle = self.handle(&fd);
        let stream = self.inner.write_via_stream(fd, offset)?;
        self.counted_output(stream, handle, Some(offset))
    }

    fn append_via_stream(&mut self, fd: Fd) -> FsResult<Resource<DynOutputStream>> {
        let handle = self.handle(&fd);
        let stream = self.inner.append_via_stream(fd)?;
        self.counted_output(stream, handle, None)
    }

    fn read_via_stream(&mut self, fd: Fd, offset: types::Filesize) -> FsResult<Resource<DynInputStream>> {
        let handle = self.handle(&fd);
        let stream = self.inner.read_via_stream(fd, offset)?;
        let Some(handle) = handle else { return Ok(stream) };
        let inner = self.inner.table.delete(stream)?;
        let stream: DynInputStream = Box::new(Reading { inner, _handle: handle });
        Ok(self.inner.table.push(stream)?)
    }

    async fn create_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.judge(&path, Access::Write)?;
        let Some(folder) = self.folder() else { return self.inner.create_directory_at(fd, path).await };
        let _turn = folder.turn.lock().await;
        self.grow(&folder, 0, 1).await?;
        self.inner.create_directory_at(fd, path).await.inspect_err(|_| folder.shrink(0, 1))
    }

    async fn symlink_at(&mut self, fd: Fd, to: String, path: String) -> FsResult<()> {
        self.judge(&path, Access::Write)?;
        let Some(folder) = self.folder() else { return self.inner.symlink_at(fd, to, path).await };
        let _turn = folder.turn.lock().await;
        self.grow(&folder, 0, 1).await?;
        self.inner.symlink_at(fd, to, path).await.inspect_err(|_| folder.shrink(0, 1))
    }

    async fn link_at(&mut self, fd: Fd, old_flags: PathFlags, old: String, new_fd: Fd, new: String) -> FsResult<()> {
        self.judge(&old, Access::Write)?;
        self.judge(&new, Access::Write)?;
        let Some(folder) = self.folder() else { return self.inner.link_at(fd, old_flags, old, new_fd, new).await };
        let _turn = folder.turn.lock().await;
        self.grow(&folder, 0, 1).await?;
        self.inner.link_at(fd, old_flags, old, new_fd, new).await.inspect_err(|_| folder.shrink(0, 1))
    }

    async fn rename_at(&mut self, fd: Fd, old: String, new_fd: Fd, new: String) -> FsResult<()> {
        self.judge(&old, Access::Write)?;
        self.judge(&new, Access::Write)?;
        match self.folder() {
            Some(folder) => self.rename_counted(&folder, fd, old, new_fd, new).await,
            None => self.inner.rename_at(fd, old, new_fd, new).await,
        }
    }

    async fn unlink_file_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.judge(&path, Access::Write)?;
        let Some(folder) = self.folder() else { return self.inner.unlink_file_at(fd, path).await };
        let _turn = folder.turn.lock().await;
        let found = self.find(&fd, PathFlags::empty(), &path).await;
        self.inner.unlink_file_at(fd, path).await?;
        folder.shrink(0, 1);
        if let Some(found) = found.filter(|found| found.is_file() && found.stat.link_count == 1) {
            folder.unlinked(found.identity, found.stat.size);
        }
        Ok(())
    }

    async fn remove_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.judge(&path, Access::Write)?;
        let Some(folder) = self.folder() else { return self.inner.remove_directory_at(fd, path).await };
        let _turn = folder.turn.lock().await;
        self.inner.remove_directory_at(fd, path).await?;
        folder.shrink(0, 1);
        Ok(())
    }

    // ---- from here on nothing changes what lies below the folder: handed on as it is ----------------------------------------------------

    async fn advise(&mut self, fd: Fd, offset: types::Filesize, length: types::Filesize, advice: types::Advice) -> FsResult<()> {
        self.inner.advise(fd, offset, length, advice).await
    }

    async fn sync_data(&mut self, fd: Fd) -> FsResult<()> {
        self.inner.sync_data(fd).await
    }

    async fn sync(&mut self, fd: Fd) -> FsResult<()> {
        self.inner.sync(fd).await
    }

    async fn get_flags(&mut self, fd: Fd) -> FsResult<types::DescriptorFlags> {
        self.inner.get_flags(fd).await
    }

    async fn get_type(&mut self, fd: Fd) -> FsResult<DescriptorType> {
        self.inner.get_type(fd).await
    }

    async fn set_times(&mut self, fd: Fd, accessed: types::NewTimestamp, modified: types::NewTimestamp) -> FsResult<()> {
        self.inner.set_times(fd, accessed, modified).await
    }

    async fn set_times_at(
        &mut self,
        fd: Fd,
        flags: PathFlags,
        path: String,
        accessed: types::NewTimestamp,
        modified: types::NewTimestamp,
    ) -> FsResult<()> {
        self.judge(&path, Access::Write)?;
        self.inner.set_times_at(fd, flags, path, accessed, modified).await
    }

    async fn read(&mut self, fd: Fd, length: types::Filesize, offset: types::Filesize) -> FsResult<(Vec<u8>, bool)> {
        self.inner.read(fd, length, offset).await
    }

    async fn read_directory(&mut self, fd: Fd) -> FsResult<Resource<types::DirectoryEntryStream>> {
        match self.folder() {
            Some(folder) => self.list_counted(folder, fd).await,
            None => self.inner.read_directory(fd).await,
        }
    }

    async fn stat(&mut self, fd: Fd) -> FsResult<types::DescriptorStat> {
        self.inner.stat(fd).await
    }

    async fn stat_at(&mut self, fd: Fd, flags: PathFlags, path: String) -> FsResult<types::DescriptorStat> {
        self.judge(&path, Access::Read)?;
        self.inner.stat_at(fd, flags, path).await
    }

    async fn readlink_at(&mut self, fd: Fd, path: String) -> FsResult<String> {
        self.judge(&path, Access::Read)?;
        self.inner.readlink_at(fd, path).await
    }

    async fn is_same_object(&mut self, a: Fd, b: Fd) -> wasmtime::Result<bool> {
        self.inner.is_same_object(a, b).await
    }

    async fn metadata_hash(&mut self, fd: Fd) -> FsResult<types::MetadataHashValue> {
        self.inner.metadata_hash(fd).await
    }

    async fn metadata_hash_at(&mut self, fd: Fd, flags: PathFlags, path: String) -> FsResult<types::MetadataHashValue> {
        self.judge(&path, Access::Read)?;
        self.inner.metadata_hash_at(fd, flags, path).await
    }
}

impl Files<'_> {
    fn counted_output(
        &mut self,
        stream: Resource<DynOutputStream>,
        handle: Option<Arc<Handle>>,
        position: Option<u64>,
    ) -> FsResult<Resource<DynOutputStream>> {
        let Some(handle) = handle else { return Ok(stream) };
        let inner = self.inner.table.delete(stream)?;
        let stream: DynOutputStream = Box::new(Writing { inner, handle, position, log: self.log.clone() });
        Ok(self.inner.table.push(stream)?)
    }
}
