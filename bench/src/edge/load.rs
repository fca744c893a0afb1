//! Load: `wrk` with one thread, and what it says.
//!
//! May be misread: answers that are no 2xx are an error of the whole measurement, never a slow row. And wrk has no rate of its own: [`paced`] gives each connection
//! a pause of some milliseconds after an answer, and takes as many connections as the rate needs. A slow answer therefore delays the next request of its connection.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// What one run of `wrk` came to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) per_second: f64,
    pub(super) p99_us: f64,
    /// Answers that were no 2xx or 3xx, and connections that failed.
    pub(super) lost: u64,
}

/// With no pause between an answer and the next request.
const CONNECTIONS: u32 = 32;

/// The pauses of [`paced`]: any of these, in milliseconds, as often as another.
const PAUSES_MS: [u32; 2] = [1, 7];

/// Loads a server for so many seconds with all it can answer; with a script, the paths are its own.
pub(super) fn load(address: &str, path: &str, seconds: u32, script: Option<&Path>) -> Result<Load> {
    run(address, path, seconds, CONNECTIONS, script)
}

/// Loads a server with about so many requests a second; `requests` is Lua that makes them, or nothing.
pub(super) fn paced(address: &str, path: &str, seconds: u32, per_second: f64, requests: &str) -> Result<Load> {
    let folder = tempfile::tempdir()?;
    let script = folder.path().join("pauses.lua");
    std::fs::write(&script, format!("{requests}\nfunction delay() return math.random({}, {}) end\n", PAUSES_MS[0], PAUSES_MS[1]))?;
    let pause_s = f64::from(PAUSES_MS[0] + PAUSES_MS[1]) / 2e3;
    let connections = (per_second * pause_s).ceil().max(1.0) as u32;
    let load = run(address, path, seconds, connections, Some(&script))?;
    let reached = load.per_second / per_second;
    ensure!((0.75..1.25).contains(&reached), "{:.0} requests a second were sent where {per_second:.0} were to be", load.per_second);
    Ok(load)
}

fn run(address: &str, path: &str, seconds: u32, connections: u32, script: Option<&Path>) -> Result<Load> {
    let (load, text) = Loading::start(address, path, seconds, connections, script)?.wait()?;
    ensure!(load.lost == 0, "{} requests were lost:\n{text}", load.lost);
    Ok(load)
}

/// Load that goes on meanwhile.
pub(super) struct Loading {
    child: Child,
}

impl Loading {
    /// For at most so many seconds.
    pub(super) fn begin(address: &str, path: &str, seconds_max: u32) -> Result<Self> {
        Self::start(address, path, seconds_max, CONNECTIONS, None)
    }

    fn start(address: &str, path: &str, seconds: u32, connections: u32, script: Option<&Path>) -> Result<Self> {
        let mut command = Command::new("wrk");
        command.args(["-t1", &format!("-c{connections}"), "--latency", "-d", &format!("{seconds}s")]);
        if let Some(script) = script {
            command.arg("-s").arg(script);
        }
        command.arg(format!("http://{address}{path}")).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(Self { child: command.spawn().context("cannot run `wrk`; `cargo xtask bench edge` installs it")? })
    }

    /// Ends it now. What was lost is in the answer, and no error.
    pub(super) fn end(mut self) -> Result<Load> {
        ensure!(self.child.try_wait()?.is_none(), "the load was over before what it was to be beside");
        // It says what it has so far.
        kill_process(Pid::from_child(&self.child), Signal::INT)?;
        Ok(self.wait()?.0)
    }

    /// Waits for its end; what came of it, and what it said.
    fn wait(self) -> Result<(Load, String)> {
        let output = self.child.wait_with_output()?;
        let text = String::from_utf8(output.stdout)?;
        ensure!(output.status.success(), "`wrk` failed:\n{text}{}", String::from_utf8_lossy(&output.stderr));
        let load = read(&text).with_context(|| format!("cannot read what `wrk` says:\n{text}"))?;
        Ok((load, text))
    }
}

fn read(text: &str) -> Option<Load> {
    let after = |start: &str| text.lines().find_map(|line| line.trim().strip_prefix(start)).map(str::trim);
    let refused = after("Non-2xx or 3xx responses:").map_or(Some(0), |count| count.parse().ok())?;
    // `connect 0, read 0, write 0, timeout 0`
    let broken = |text: &str| text.split(", ").map(|part| part.split_once(' ')?.1.parse::<u64>().ok()).sum::<Option<u64>>();
    let broken = after("Socket errors:").map_or(Some(0), broken)?;
    Some(Load { per_second: after("Requests/sec:")?.parse().ok()?, p99_us: microseconds(after("99%")?)?, lost: refused + broken })
}

fn microseconds(text: &str) -> Option<f64> {
    let (number, factor) = match text {
        text if text.ends_with("us") => (text.strip_suffix("us")?, 1.0),
        text if text.ends_with("ms") => (text.strip_suffix("ms")?, 1e3),
        text => (text.strip_suffix('s')?, 1e6),
    };
    Some(number.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_says_is_read() {
        let text =
            "  Latency Distribution\n     50%  190.00us\n     99%    2.07ms\n  100 requests in 4.00s, 1MB read\nRequests/sec:  65432.10\n";
        let load = read(text).unwrap();
        assert_eq!((load.per_second, load.p99_us, load.lost), (65_432.1, 2_070.0, 0));
        let lost = format!("{text}  Socket errors: connect 0, read 3, write 0, timeout 1\n  Non-2xx or 3xx responses: 7\n");
        assert_eq!(read(&lost).unwrap().lost, 11);
        assert!(read("nothing").is_none());
        assert_eq!(microseconds("1.5s"), Some(1_500_000.0));
    }
}
