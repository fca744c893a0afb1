//! Remembers the last result of each project, so that an unchanged plugin is not built again.
//!
//! One result per project and mode, not one per digest: an edited Python plugin would otherwise leave 18 MB behind at every save. The
//! record is written after the component, and names its digest: whatever a crash or a stray hand leaves behind is built anew.

use std::fs;
use std::path::{Path, PathBuf};

use plugwork_core::Digest;
use serde::{Deserialize, Serialize};

use crate::files::{Inputs, write_atomically};
use crate::{BuildError, BuildOptions, Language, Project};

/// What turns inputs into a component is itself an input: a changed recipe must not serve yesterday's result.
const RECIPE: [(&str, &str); 10] = [
    ("build.rs", include_str!("build.rs")),
    ("command.rs", include_str!("command.rs")),
    ("embed.rs", include_str!("embed.rs")),
    ("javascript.rs", include_str!("javascript.rs")),
    ("javascript/entry.rs", include_str!("javascript/entry.rs")),
    ("javascript/lines.rs", include_str!("javascript/lines.rs")),
    ("packages.rs", include_str!("packages.rs")),
    ("python.rs", include_str!("python.rs")),
    ("rust.rs", include_str!("rust.rs")),
    ("world.rs", include_str!("world.rs")),
];

/// One project's folder below `target_dir`.
pub(crate) struct Entry {
    home: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Record {
    /// Over everything that went in, `more_inputs` included.
    inputs: String,
    /// Files outside the project that the tool said it had read, relative to the project.
    more_inputs: Vec<PathBuf>,
    /// Of the component.
    digest: Digest,
}

impl Entry {
    pub(crate) fn of(project: &Project, options: &BuildOptions<'_>) -> Self {
        let name = &project.manifest.name;
        let mode = if options.dev { "dev" } else { "release" };
        let mut home = options.target_dir.join("plugwork-build").join(name.namespace()).join(name.name());
        if project.is_one_of_several_versions {
            // Versions that are built side by side would drive each other out.
            home.push(project.manifest.version.to_string());
        }
        Self { home: home.join(mode) }
    }

    /// Keeps everybody else from building this project in this mode until the file is dropped.
    pub(crate) fn lock(&self) -> Result<fs::File, BuildError> {
        fs::create_dir_all(&self.home).map_err(|error| BuildError::io("create", &self.home, &error))?;
        let path = self.home.join("lock");
        let failed = |error: std::io::Error| BuildError::io("lock", &path, &error);
        let file = fs::File::create(&path).map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(file)
    }

    /// An empty folder for the step; what an earlier build left is removed.
    pub(crate) fn work_dir(&self) -> Result<PathBuf, BuildError> {
        let work = self.home.join("work");
        match fs::remove_dir_all(&work) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(BuildError::io("empty", &work, &error)),
            _ => {}
        }
        fs::create_dir_all(&work).map_err(|error| BuildError::io("create", &work, &error))?;
        // Absolute, because a tool may run in another folder.
        fs::canonicalize(&work).map_err(|error| BuildError::io("open", &work, &error))
    }

    /// The remembered component, if it is whole and was made from exactly these inputs.
    pub(crate) fn get(&self, project: &Project, options: &BuildOptions<'_>) -> Result<Option<(Vec<u8>, Digest)>, BuildError> {
        let record = fs::read(self.home.join("record.json")).ok().and_then(|text| serde_json::from_slice::<Record>(&text).ok());
        let Some(record) = record else { return Ok(None) };
        if inputs(project, options, &record.more_inputs)? != record.inputs {
            return Ok(None);
        }
        let Ok(component) = fs::read(self.home.join("component.wasm")) else { return Ok(None) };
        Ok((Digest::of(&component) == record.digest).then_some((component, record.digest)))
    }

    /// Remembers a component.
    pub(crate) fn put(&self, inputs: String, more_inputs: Vec<PathBuf>, component: &[u8]) -> Result<Digest, BuildError> {
        let digest = Digest::of(component);
        let record = serde_json::to_vec_pretty(&Record { inputs, more_inputs, digest }).expect("strings and digests only");
        write_atomically(&self.home.join("component.wasm"), component)?;
        write_atomically(&self.home.join("record.json"), &record)?;
        Ok(digest)
    }
}

/// The digest over everything that a build reads.
pub(crate) fn inputs(project: &Project, options: &BuildOptions<'_>, more: &[PathBuf]) -> Result<String, BuildError> {
    digest(Inputs::new(), project, options, more)
}

/// The same without what tools write themselves while they build: only the author's hand changes this one.
pub(crate) fn inputs_by_hand(project: &Project, options: &BuildOptions<'_>) -> Result<String, BuildError> {
    digest(Inputs::without("Cargo.lock"), project, options, &[])
}

fn digest(mut inputs: Inputs, project: &Project, options: &BuildOptions<'_>, more: &[PathBuf]) -> Result<String, BuildError> {
    inputs.add("version", env!("CARGO_PKG_VERSION").as_bytes());
    for (name, text) in RECIPE {
        inputs.add(name, text.as_bytes());
    }
    inputs.add("dev", &[u8::from(options.dev)]);
    inputs.add_folder("project", &project.dir)?;
    inputs.add_folder("contract", options.contract)?;
    if let Some(wit) = &project.wit {
        inputs.add_folder("wit", wit)?;
    }
    match project.build.language {
        // Cargo reads these from the folders above; the crates themselves, the SDK among them, come through `more`.
        Language::Rust => {
            for (depth, above) in project.dir.ancestors().enumerate() {
                for name in ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", "rust-toolchain", ".cargo/config.toml"] {
                    let path = above.join(name);
                    if path.is_file() {
                        inputs.add_file(&format!("above/{depth}/{name}"), &path)?;
                    }
                }
            }
            inputs.add("toolchain", std::env::var_os("RUSTUP_TOOLCHAIN").unwrap_or_default().as_encoded_bytes());
        }
        Language::JavaScript | Language::Python => {
            let sdk = sdk_dir(project.build.language, options.sdk_root);
            inputs.add_folder("sdk", &sdk)?;
        }
    }
    for path in more {
        inputs.add_file(&path.to_string_lossy(), &project.dir.join(path))?;
    }
    Ok(inputs.digest())
}

/// Where a language's SDK lies.
pub(crate) fn sdk_dir(language: Language, root: &Path) -> PathBuf {
    root.join(match language {
        Language::Rust => "rust",
        Language::JavaScript => "js",
        Language::Python => "python",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recipe_holds_every_file_that_shapes_a_component() {
        // What these do cannot change a component that was built; whoever adds a file decides on which side it belongs.
        let bystanders = ["build_all.rs", "cache.rs", "error.rs", "files.rs", "lib.rs", "project.rs", "step.rs", "verify.rs"];
        let mut expected: Vec<String> = RECIPE.iter().map(|(name, _)| (*name).to_owned()).collect();
        expected.extend(bystanders.map(str::to_owned));
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut found = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push(path.strip_prefix(&root).unwrap().to_string_lossy().into_owned());
                }
            }
        }
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
    }
}
