//! The walls around a process that compiles: put up by itself, before it reads a byte of what may be hostile, and never taken down.
//!
//! Three rows, each enough for most of it: resource limits; Landlock (no file, no TCP, no signal to others) where the kernel has it; a
//! seccomp filter that names the few system calls a compiler needs and refuses the rest. What may surprise: refused calls fail with
//! `EPERM` instead of killing the process, so that a C library that tries something new and copes with failure goes on working.

use std::io;

use landlock::{ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetStatus, Scope};
use nix::unistd::close;
use plugwork_core::CompileLimits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use seccompiler::{BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, apply_filter};
use serde::{Deserialize, Serialize};

/// Which walls stood around the child that compiled last. Limits, closed descriptors and an environment of our own always do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Walls {
    /// Whether the filter of system calls stood. Where it does not, the kernel lacks it, and the child compiles nothing.
    pub seccomp: bool,
    /// What Landlock refuses besides. Absence is fine where `seccomp` stands.
    pub landlock: Landlock,
}

/// How much of Landlock the kernel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Landlock {
    /// Everything that was asked for.
    Full,
    /// An older kernel's part of it.
    Partial,
    /// The kernel has none or it is off.
    Absent,
}

/// The latest rules that every kernel in support may have; older ones do what they know.
const LANDLOCK: ABI = ABI::V6;
const NICENESS: i32 = 10;
/// Between the signal that says the time is up and the one that nobody survives.
const GRACE_SECONDS: u64 = 2;

/// Puts up all walls around this process. Call with one thread: the others would stay outside.
pub(super) fn enclose(limits: &CompileLimits) -> io::Result<Walls> {
    close_inherited()?;
    // Never above what this process was given itself: raising that is not ours to do, and lower is as good.
    let most = |resource, value: u64| {
        let value = getrlimit(resource).maximum.map_or(value, |given| given.min(value));
        setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })
    };
    most(Resource::As, limits.memory_bytes)?;
    most(Resource::Fsize, limits.output_bytes)?;
    most(Resource::Core, 0)?;
    let seconds = limits.cpu_seconds();
    let last = getrlimit(Resource::Cpu).maximum.map_or(seconds + GRACE_SECONDS, |given| given.min(seconds + GRACE_SECONDS));
    setrlimit(Resource::Cpu, Rlimit { current: Some(seconds.min(last)), maximum: Some(last) })?;
    rustix::process::nice(NICENESS)?;
    let landlock = landlock();
    // After Landlock, which needs a descriptor for a moment.
    most(Resource::Nofile, 3)?;
    Ok(Walls { seccomp: seccomp(), landlock })
}

/// Closes everything but the three that the parent gave: whoever opened the rest without `O_CLOEXEC` did not mean it for us.
fn close_inherited() -> io::Result<()> {
    let mut inherited = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        inherited.extend(entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()).filter(|number| *number > 2));
    }
    // One of them was the folder just read, which is closed by now: `EBADF` is no failure.
    inherited.into_iter().for_each(|number| _ = close(number));
    Ok(())
}

fn landlock() -> Landlock {
    let enforce = || -> Result<RulesetStatus, landlock::RulesetError> {
        let rules = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(LANDLOCK))?
            .handle_access(AccessNet::from_all(LANDLOCK))?
            .scope(Scope::from_all(LANDLOCK))?;
        Ok(rules.create()?.restrict_self()?.ruleset)
    };
    match enforce() {
        Ok(RulesetStatus::FullyEnforced) => Landlock::Full,
        Ok(RulesetStatus::PartiallyEnforced) => Landlock::Partial,
        Ok(RulesetStatus::NotEnforced) | Err(_) => Landlock::Absent,
    }
}

fn seccomp() -> bool {
    let put_up = || -> Option<()> {
        // The flags of `clone3` lie in memory, where a filter cannot look; told that there is none, the C library uses `clone`.
        let no_clone3 = [(libc::SYS_clone3, Vec::new())].into_iter().collect();
        let no_clone3 = program(no_clone3, SeccompAction::Allow, SeccompAction::Errno(errno(libc::ENOSYS)))?;
        let listed = program(listed()?, SeccompAction::Errno(errno(libc::EPERM)), SeccompAction::Allow)?;
        apply_filter(&no_clone3).ok()?;
        apply_filter(&listed).ok()
    };
    put_up().is_some()
}

fn errno(number: i32) -> u32 {
    number.unsigned_abs()
}

type Rules = std::collections::BTreeMap<i64, Vec<SeccompRule>>;

fn program(rules: Rules, otherwise: SeccompAction, listed: SeccompAction) -> Option<BpfProgram> {
    let architecture = std::env::consts::ARCH.try_into().ok()?;
    SeccompFilter::new(rules, otherwise, listed, architecture).ok()?.try_into().ok()
}

/// What a compiler needs: memory, threads of its own, the three descriptors it has, the time, and an end.
fn listed() -> Option<Rules> {
    let mut rules: Rules = [
        libc::SYS_brk,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_madvise,
        libc::SYS_read,
        libc::SYS_readv,
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_lseek,
        libc::SYS_close,
        libc::SYS_fstat,
        libc::SYS_futex,
        libc::SYS_set_robust_list,
        libc::SYS_rseq,
        libc::SYS_set_tid_address,
        libc::SYS_clone3,
        libc::SYS_sched_yield,
        libc::SYS_sched_getaffinity,
        libc::SYS_getcpu,
        libc::SYS_getpid,
        libc::SYS_gettid,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sigaltstack,
        libc::SYS_clock_gettime,
        libc::SYS_clock_nanosleep,
        libc::SYS_nanosleep,
        libc::SYS_restart_syscall,
        libc::SYS_getrandom,
        libc::SYS_exit,
        libc::SYS_exit_group,
    ]
    .into_iter()
    .map(|call| (call, Vec::new()))
    .collect();
    // Memory, but none that could be executed: machine code is only written out here.
    let not_executable = masked(2, libc::PROT_EXEC.unsigned_abs().into(), 0)?;
    rules.insert(libc::SYS_mmap, vec![rule(not_executable.clone())?]);
    rules.insert(libc::SYS_mprotect, vec![rule(not_executable)?]);
    // Threads, not processes.
    let thread = u64::from(libc::CLONE_THREAD.unsigned_abs());
    rules.insert(libc::SYS_clone, vec![rule(masked(0, thread, thread)?)?]);
    // Signals to itself only, which is how a process aborts.
    rules.insert(libc::SYS_tgkill, vec![rule(equal(0, u64::from(std::process::id()))?)?]);
    // The names of threads; reading the limit of a stack.
    rules.insert(libc::SYS_prctl, vec![rule(equal(0, libc::PR_SET_NAME.unsigned_abs().into())?)?]);
    let read_own = SeccompRule::new(vec![equal(0, 0)?, wide(2, 0)?]).ok()?;
    rules.insert(libc::SYS_prlimit64, vec![read_own]);
    Some(rules)
}

fn rule(condition: SeccompCondition) -> Option<SeccompRule> {
    SeccompRule::new(vec![condition]).ok()
}

fn masked(argument: u8, mask: u64, value: u64) -> Option<SeccompCondition> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(mask), value).ok()
}

fn equal(argument: u8, value: u64) -> Option<SeccompCondition> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value).ok()
}

/// As [`equal`], for a pointer.
fn wide(argument: u8, value: u64) -> Option<SeccompCondition> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, value).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test says by panicking that it failed")]
mod tests {
    use std::fs::File;
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::process::Command;

    use super::*;

    const INSIDE: &str = "PLUGWORK_TEST_INSIDE_THE_WALLS";
    const CLAIM: &str = "compile::walls::tests::behind_the_walls_nothing_can_be_opened_connected_or_started";

    /// The test runs itself again, as a process that puts up its walls and then tries.
    #[test]
    fn behind_the_walls_nothing_can_be_opened_connected_or_started() {
        if std::env::var_os(INSIDE).is_some() {
            return tries();
        }
        let program = std::env::current_exe().unwrap();
        let ran = Command::new(program).args(["--exact", CLAIM, "--nocapture", "--test-threads=1"]).env(INSIDE, "1").output().unwrap();
        let said = String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success() && said.contains("1 passed"), "{said}");
    }

    #[track_caller]
    fn denied<T>(result: io::Result<T>) {
        // `EMFILE` is the limit on descriptors: the same wall from the other side.
        let error = result.err().expect("it must be denied");
        assert!(error.kind() == ErrorKind::PermissionDenied || error.raw_os_error() == Some(libc::EMFILE), "{error:?}");
    }

    fn tries() {
        let (folder, parent) = (std::env::temp_dir(), rustix::process::getppid().unwrap());
        let walls = enclose(&CompileLimits { memory_bytes: 4 << 30, ..CompileLimits::default() }).unwrap();
        assert!(walls.seccomp, "{walls:?}");
        denied(File::open("/etc/passwd"));
        denied(File::create(folder.join("plugwork-test-walls")));
        denied(std::fs::remove_file("/nowhere"));
        denied(std::fs::rename("/nowhere", "/elsewhere"));
        denied(std::fs::create_dir(folder.join("plugwork-test-folder")));
        denied(std::fs::read_dir("/"));
        denied(TcpStream::connect("127.0.0.1:9"));
        denied(TcpListener::bind("127.0.0.1:0"));
        denied(UdpSocket::bind("127.0.0.1:0"));
        denied(UnixStream::connect("/nowhere"));
        denied(UnixListener::bind(folder.join("plugwork-test-socket")));
        denied(UnixStream::pair());
        denied(Command::new("/bin/true").spawn());
        let denied_call = |result: rustix::io::Result<()>| denied(result.map_err(io::Error::from));
        denied_call(rustix::process::kill_process(parent, rustix::process::Signal::TERM));
        denied_call(rustix::fs::memfd_create("x", rustix::fs::MemfdFlags::empty()).map(drop));
        denied_call(rustix::process::set_parent_process_death_signal(None));
        // And what a compiler needs still works: memory, threads, panics that are caught.
        let sum = std::thread::spawn(|| vec![1_u64; 1 << 20].iter().sum::<u64>()).join().unwrap();
        assert_eq!(sum, 1 << 20);
    }

    #[test]
    fn the_filter_can_be_made_on_this_machine() {
        assert!(listed().and_then(|rules| program(rules, SeccompAction::Errno(1), SeccompAction::Allow)).is_some());
    }
}
