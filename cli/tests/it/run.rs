//! `plugwork run`, on the real plugins and the real data: what it writes, and what it leaves when something is wrong.
//!
//! The plugins are those that `cargo xtask guests` puts into `target/plugins`.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn plugin(name: &str) -> String {
    let folder = std::env::var_os("PLUGWORK_PLUGINS").map_or_else(|| repository().join("target/plugins"), PathBuf::from);
    let path = folder.join(format!("{name}.wasm"));
    assert!(path.is_file(), "`{}` is missing: run `cargo xtask guests`", path.display());
    path.display().to_string()
}

fn data() -> PathBuf {
    let folder = repository().join("examples/data/node_modules/vega-datasets/data");
    assert!(folder.is_dir(), "`{}` is missing: run `cargo xtask setup`", folder.display());
    folder
}

/// One cache for all tests of this file: a component is compiled once.
fn state() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("state")
}

struct Case {
    folder: tempfile::TempDir,
}

impl Case {
    fn new(pipeline: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("case.toml"), pipeline).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_plugwork"));
        command.arg("--state").arg(state()).arg("run").arg(self.path("case.toml")).arg("--output").arg(self.path("out"));
        command.stdin(Stdio::null());
        command
    }

    fn run(&self) -> Output {
        self.command().output().unwrap()
    }

    /// File names in the output folder, hidden ones too.
    fn outputs(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path("out")) else { return Vec::new() };
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn earthquakes_by_file(data: &Path, file: &str, rest: &str) -> String {
    format!(
        "name = \"case\"\n[[source]]\nname = \"quakes\"\nplugin = \"{}\"\noptions = {{ path = \"{file}\" }}\n\
         grants.filesystem = {{ root = \"{}\", access = \"read\" }}\n{rest}",
        plugin("usgs-earthquakes"),
        data.display()
    )
}

fn export(from: &str, plugin_name: &str, file: &str) -> String {
    format!(
        "[[exporter]]\nname = \"{}\"\nfrom = \"{from}\"\nplugin = \"{}\"\nfile = \"{file}\"\n",
        file.replace('.', "-"),
        plugin(plugin_name)
    )
}

fn source_by_url(url: &str, grant: &str) -> String {
    format!(
        "name = \"case\"\n[[source]]\nname = \"quakes\"\nplugin = \"{}\"\noptions = {{ url = \"{url}\" }}\n{grant}\n{}",
        plugin("usgs-earthquakes"),
        export("quakes", "jsonl", "quakes.jsonl")
    )
}

fn read_head(stream: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
}

/// Serves the feed on a loopback port, to as many requests as `answers` says.
fn serve(answers: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let body = fs::read(data().join("earthquakes.json")).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().take(answers) {
            let mut stream = stream.unwrap();
            read_head(&mut stream);
            let length = body.len();
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n")
                .unwrap();
            stream.write_all(&body).unwrap();
        }
    });
    format!("http://{address}/all_week.geojson")
}

#[test]
fn the_earthquake_pipeline_gives_the_published_b_values() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_plugwork"))
        .arg("--state")
        .arg(state())
        .arg("run")
        .arg(repository().join("examples/pipelines/earthquakes.toml"))
        .args(["--json", "--output"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let estimates = fs::read_to_string(folder.path().join("estimates.csv")).unwrap();
    let row = |network: &str| -> Vec<String> {
        let line = estimates.lines().find(|line| line.starts_with(&format!("{network},"))).unwrap();
        line.split(',').map(str::to_owned).collect()
    };
    let rounded = |text: &str| format!("{:.2}", text.parse::<f64>().unwrap());
    let (ci, us) = (row("ci"), row("us"));
    assert_eq!((ci[2].as_str(), rounded(&ci[6]), rounded(&ci[7])), ("168", "0.82".to_owned(), "0.06".to_owned()));
    assert_eq!((us[2].as_str(), rounded(&us[6]), rounded(&us[7])), ("84", "0.80".to_owned(), "0.07".to_owned()));
    let report = fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(report.contains("Content-Security-Policy") && report.contains("How large"));
    assert_eq!(fs::read_to_string(folder.path().join("catalogue.csv")).unwrap().lines().count(), 1708);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["outcome"]["is"], "finished");
    assert_eq!(told["steps"].as_array().unwrap().len(), 12);
    // The same two plugins, through the host and as one component: the same answer, and both times are told.
    let rows = |step: &str| {
        let mut tables = told["tables"].as_array().unwrap().iter();
        let found = tables.find(|found| found["step"] == step && found["name"] == "main-shocks").unwrap();
        (found["rows"].clone(), found["rows_total"].clone())
    };
    assert_eq!(rows("shocks"), rows("shocks-fused"));
    assert_eq!(rows("shocks").1, 660);
    for (step, calls) in [("shocks", "plugwork:geodesy 0.1.0, brokered"), ("shocks-fused", "plugwork:geodesy 0.1.0, fused")] {
        let step = told["steps"].as_array().unwrap().iter().find(|found| found["name"] == step).unwrap();
        assert!(step["guest_ms"].as_f64().unwrap() > 0.0 && step["plugin"]["calls"][0] == calls, "{step}");
    }
}

#[test]
fn a_granted_host_is_reached_and_nothing_else_is() {
    let url = serve(1);
    let host = url.trim_start_matches("http://").split('/').next().unwrap();
    let grant = format!("grants.http = {{ hosts = [\"{host}\"], networks = [\"127.0.0.0/8\"] }}");
    let case = Case::new(&source_by_url(&url, &grant));
    let output = case.run();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(fs::read_to_string(case.path("out/quakes.jsonl")).unwrap().lines().count(), 1707);
}

#[test]
fn without_the_http_grant_it_names_interface_plugin_and_grant_line() {
    let case = Case::new(&source_by_url("http://127.0.0.1:9/feed", ""));
    let output = case.run();
    assert_eq!(output.status.code(), Some(3));
    let text = stderr(&output);
    for part in ["plugwork:host/fetch", "plugwork:usgs-earthquakes", "[[source]] \"quakes\": grants.http = { hosts = "] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(case.outputs(), ["report.html"]);
}

#[test]
fn a_host_that_was_not_granted_and_a_private_address_are_denied() {
    for (url, grant, code) in [
        ("http://127.0.0.1:9/feed", "grants.http = { hosts = [\"example.com\"] }", "E-CAP-HTTP-HOST"),
        ("http://127.0.0.1:9/feed", "grants.http = { hosts = [\"127.0.0.1:9\"] }", "E-CAP-HTTP-ADDRESS"),
        ("http://localhost:9/feed", "grants.http = { hosts = [\"localhost:9\"] }", "E-CAP-HTTP-ADDRESS"),
        ("http://0x7f.1:9/feed", "grants.http = { hosts = [\"*:9\"] }", "E-CAP-HTTP-ADDRESS"),
    ] {
        let output = Case::new(&source_by_url(url, grant)).run();
        let text = stderr(&output);
        assert!(output.status.code() == Some(3) && text.contains(code), "{url} {grant}: {text}");
    }
}

#[test]
fn more_granted_than_asked_is_refused_before_anything_runs() {
    let grant =
        "grants.http = { hosts = [\"example.com\"], methods = [\"GET\", \"POST\"] }\ngrants.environment = { variables = [\"HOME\"] }";
    let case = Case::new(&source_by_url("http://example.com/feed", grant));
    let output = case.run();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("grants.http.methods") && text.contains("grants.environment"), "{text}");
    assert_eq!(case.outputs(), Vec::<String>::new());
}

#[test]
fn an_option_of_the_wrong_type_is_named_by_its_path() {
    let rest = format!(
        "[[analyzer]]\nname = \"rate\"\nfrom = \"quakes\"\nplugin = \"{}\"\noptions = {{ window-hours = \"many\", widnow = 3 }}\n",
        plugin("hourly-rate")
    );
    let case = Case::new(&earthquakes_by_file(&data(), "earthquakes.json", &rest));
    let output = case.run();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("options/window-hours") && text.contains("widnow") && text.contains("analyzer \"rate\""), "{text}");
    assert_eq!(case.outputs(), Vec::<String>::new());
}

#[test]
fn a_truncated_file_is_named_by_row_and_leaves_no_torn_output() {
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read(data().join("earthquakes.json")).unwrap();
    fs::write(folder.path().join("cut.json"), &whole[..600_000]).unwrap();
    let case = Case::new(&earthquakes_by_file(folder.path(), "cut.json", &export("quakes", "csv", "quakes.csv")));
    let output = case.run();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("feature") && text.contains("source \"quakes\""), "{text}");
    assert_eq!(case.outputs(), ["report.html"]);
    let report = fs::read_to_string(case.path("out/report.html")).unwrap();
    assert!(report.contains("quakes"), "the report tells of the failure");
}

#[test]
fn a_broken_csv_row_is_named_by_row_and_column() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("bad.csv"), "a,b\n1,2\n3,4,5\n").unwrap();
    let pipeline = format!(
        "name = \"case\"\n[[source]]\nname = \"rows\"\nplugin = \"{}\"\noptions = {{ path = \"bad.csv\" }}\ngrants.filesystem = {{ root = \"{}\" }}\n{}",
        plugin("csv"),
        folder.path().display(),
        export("rows", "jsonl", "rows.jsonl")
    );
    let output = Case::new(&pipeline).run();
    let text = stderr(&output);
    assert!(output.status.code() == Some(1) && text.contains("row"), "{text}");
}

/// What `declustering` cannot be without.
fn fused_with_geodesy() -> String {
    format!("calls = [{{ plugin = \"{}\", wiring = \"fused\" }}]\n", plugin("geodesy"))
}

#[test]
fn memory_over_the_limit_ends_the_step_that_asked_for_it() {
    let rest = format!(
        "[[analyzer]]\nname = \"shocks\"\nfrom = \"quakes\"\nplugin = \"{}\"\nlimits = {{ memory-bytes = 14680064 }}\n{}",
        plugin("declustering"),
        fused_with_geodesy()
    );
    let output = Case::new(&earthquakes_by_file(&data(), "earthquakes.json", &rest)).run();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("asked for") && text.contains("its limit is 14680064") && text.contains("shocks"), "{text}");
}

#[test]
fn a_step_past_its_deadline_is_ended() {
    let rest = format!(
        "[[analyzer]]\nname = \"shocks\"\nfrom = \"quakes\"\nplugin = \"{}\"\nlimits = {{ deadline-ms = 5 }}\n{}",
        plugin("declustering"),
        fused_with_geodesy()
    );
    let output = Case::new(&earthquakes_by_file(&data(), "earthquakes.json", &rest)).run();
    let text = stderr(&output);
    assert!(output.status.code() == Some(1) && text.contains("deadline of 5 ms"), "{text}");
}

/// No disk is filled: a file size limit makes the same system call fail in the same place.
#[cfg(unix)]
#[test]
fn an_output_that_cannot_be_written_is_named_and_removed() {
    let rest = format!("{}{}", export("quakes", "csv", "small.csv"), export("quakes", "geojson", "quakes.geojson"));
    // Three times the events: their machine code, which is read from the cache through a file in memory, must fit below the limit too.
    let folder = tempfile::tempdir().unwrap();
    let mut events: serde_json::Value = serde_json::from_slice(&fs::read(data().join("earthquakes.json")).unwrap()).unwrap();
    let features = events["features"].as_array_mut().unwrap();
    *features = std::iter::repeat_n(std::mem::take(features), 3).flatten().collect();
    fs::write(folder.path().join("more.json"), events.to_string()).unwrap();
    let case = Case::new(&earthquakes_by_file(folder.path(), "more.json", &rest));
    assert!(case.run().status.success());
    let bytes = |name: &str| fs::metadata(case.path("out").join(name)).unwrap().len();
    assert!(
        bytes("small.csv") < 1_500 << 10 && bytes("quakes.geojson") > 1_600 << 10,
        "{} {}",
        bytes("small.csv"),
        bytes("quakes.geojson")
    );
    fs::remove_dir_all(case.path("out")).unwrap();
    let command = case.command();
    let words: Vec<String> =
        std::iter::once(command.get_program()).chain(command.get_args()).map(|word| word.to_string_lossy().into_owned()).collect();
    // A megabyte and a half: the CSV file fits, the GeoJSON file does not.
    let output = Command::new("bash").arg("-c").arg("trap '' XFSZ; ulimit -f 1536; exec \"$@\"").arg("bash").args(words).output().unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("quakes.geojson") && text.contains("File too large"), "{text}");
    assert!(!case.outputs().iter().any(|name| name.contains("geojson") || name.ends_with(".partial")), "{:?}", case.outputs());
}

/// The source waits for a server that stops in the middle of its answer, so that the interrupt finds the run in its middle.
#[cfg(unix)]
#[test]
fn ctrl_c_stops_cleanly_and_leaves_no_torn_output() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let grant = format!("grants.http = {{ hosts = [\"{address}\"], networks = [\"127.0.0.0/8\"] }}");
    let case = Case::new(&source_by_url(&format!("http://{address}/feed"), &grant));
    // Once, for the cache: what is interrupted below is the run and not the compiler.
    assert_eq!(case.command().arg("--dry-run").output().unwrap().status.code(), Some(0));
    let child = case.command().stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    read_head(&mut stream);
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n{").unwrap();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    drop(stream);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(130), "{text}");
    assert!(text.contains("interrupted"), "{text}");
    assert_eq!(case.outputs(), ["report.html"]);
}

#[test]
fn limits_out_of_their_range_are_refused() {
    for (limits, part) in [("deadline-ms = 0", "limits.deadline-ms"), ("memory-bytes = 99999999999999", "limits.memory-bytes")] {
        let rest =
            format!("[[analyzer]]\nname = \"rate\"\nfrom = \"quakes\"\nplugin = \"{}\"\nlimits = {{ {limits} }}\n", plugin("hourly-rate"));
        let output = Case::new(&earthquakes_by_file(&data(), "earthquakes.json", &rest)).run();
        let text = stderr(&output);
        assert!(output.status.code() == Some(2) && text.contains(part), "{text}");
    }
}

#[test]
fn a_broken_step_still_tells_what_it_spent() {
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read(data().join("earthquakes.json")).unwrap();
    fs::write(folder.path().join("cut.json"), &whole[..600_000]).unwrap();
    let case = Case::new(&earthquakes_by_file(folder.path(), "cut.json", &export("quakes", "csv", "quakes.csv")));
    let output = case.command().arg("--json").output().unwrap();
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["outcome"]["is"], "failed");
    let source = &told["steps"][0];
    assert!(source["guest_ms"].as_f64().unwrap() > 0.0 && source["host_calls"].as_u64().unwrap() > 0, "{source}");
}

#[test]
fn a_server_that_does_not_answer_is_unreachable() {
    let grant = "grants.http = { hosts = [\"127.0.0.1:9\"], networks = [\"127.0.0.0/8\"] }";
    let output = Case::new(&source_by_url("http://127.0.0.1:9/feed", grant)).run();
    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
}

#[test]
fn every_wrong_step_is_told_at_once() {
    let pipeline =
        "name = \"case\"\n[[source]]\nname = \"a\"\nplugin = \"no-such.wasm\"\n[[source]]\nname = \"b\"\nplugin = \"case.toml\"\n";
    let output = Case::new(pipeline).run();
    let text = stderr(&output);
    assert!(text.contains("no-such.wasm") && text.contains("source \"b\""), "{text}");
    assert_ne!(output.status.code(), Some(0));
}

#[test]
fn a_plugin_at_the_wrong_point_is_named_with_what_it_exports() {
    let rest = format!("[[analyzer]]\nname = \"x\"\nfrom = \"quakes\"\nplugin = \"{}\"\n", plugin("jsonl"));
    let output = Case::new(&earthquakes_by_file(&data(), "earthquakes.json", &rest)).run();
    let text = stderr(&output);
    assert!(
        output.status.code() == Some(2) && text.contains("plugwork:points/analyzer") && text.contains("plugwork:points/exporter"),
        "{text}"
    );
}

#[test]
fn a_table_that_the_analyzer_does_not_hand_out_is_named() {
    let rest = format!(
        "[[analyzer]]\nname = \"rate\"\nfrom = \"quakes\"\nplugin = \"{}\"\n{}",
        plugin("hourly-rate"),
        export("rate.no-such", "jsonl", "x.jsonl")
    );
    let output = Case::new(&earthquakes_by_file(&data(), "earthquakes.json", &rest)).run();
    let text = stderr(&output);
    assert!(text.contains("no table `no-such`") && text.contains("`hours`"), "{text}");
}
