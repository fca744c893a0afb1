//! The README's host and plugins: equal to the files, short, and they run.
//!
//! Not here: links (`book`). Easily got wrong: the host is a program of its own, which `cargo test` builds and `cargo test --test it` does not.

use std::process::Command;

use plugwork::{Runtime, Source};
use plugwork_points::{Analyzer, Batch, Column};

use crate::{repository, text_of};

/// Language of the block, file, and the most lines that the README promises.
const SHOWN: [(&str, &str, usize); 4] = [
    ("rust", "examples/hosts/readme/main.rs", 15),
    ("rust", "examples/plugins/row-count/src/lib.rs", 12),
    ("js", "examples/plugins/row-count-js/plugin.js", 12),
    ("python", "examples/plugins/row-count-py/plugin.py", 12),
];

/// The part of a file between its marks.
fn marked(text: &str) -> String {
    let lines = text.lines().skip_while(|line| !line.ends_with(" README: begin")).skip(1);
    lines.take_while(|line| !line.ends_with(" README: end")).map(|line| format!("{line}\n")).collect()
}

/// The code blocks of a language, in order.
fn blocks(markdown: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    markdown.split(&fence).skip(1).filter_map(|rest| rest.split_once("```")).map(|(block, _)| block.to_owned()).collect()
}

#[test]
fn the_code_of_the_readme_is_the_code_of_the_files() {
    let readme = text_of("README.md");
    for language in ["rust", "js", "python"] {
        let files: Vec<String> = SHOWN.iter().filter(|shown| shown.0 == language).map(|shown| marked(&text_of(shown.1))).collect();
        assert_eq!(blocks(&readme, language), files, "{language}");
    }
}

#[test]
fn the_code_of_the_readme_is_as_short_as_it_says() {
    for (_, file, lines_max) in SHOWN {
        let lines = marked(&text_of(file)).lines().count();
        assert!((1..=lines_max).contains(&lines), "{file}: {lines} lines");
    }
}

#[test]
fn the_host_of_the_readme_reads_with_one_plugin_and_counts_with_another() {
    let tests = std::env::current_exe().unwrap();
    let host = tests.parent().and_then(|folder| folder.parent()).unwrap().join("examples/readme");
    assert!(host.is_file(), "there is no `{}`: run `cargo test`, or `cargo build --example readme` first", host.display());
    let output = Command::new(host).current_dir(repository()).output().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{complained}");
    assert!(said.starts_with("plugwork:csv asks for filesystem { access = \"read\" } (optional)"), "{said}");
    // 5,366 rows, as the bytes of a 64 bit integer.
    assert!(said.contains("table: \"counts\"") && said.contains("values: [246, 20, 0, 0, 0, 0, 0, 0]"), "{said}");
}

#[tokio::test]
async fn the_plugins_of_the_readme_give_the_same_answer_in_every_language() {
    let runtime = Runtime::builder(repository().join("target/readme-state")).open().await.unwrap();
    for name in ["row-count", "row-count-js", "row-count-py"] {
        let source = Source::file(repository().join(format!("target/plugins/{name}.wasm"))).expect("run `cargo xtask guests` first");
        let offer = runtime.offer(&source).await.unwrap();
        assert_eq!(offer.permissions().to_string(), "asks for nothing", "{name}");
        let plugin = offer.accept().await.unwrap();
        let mut analysis = Analyzer::start(&plugin, "{}").await.unwrap();
        let column = Column { name: "n".to_owned(), format: "c".to_owned(), validity: None, offsets: None, values: vec![7; 3] };
        let batch = Batch::new(3, vec![column]).unwrap();
        analysis.push(&batch).await.unwrap();
        analysis.push(&batch).await.unwrap();
        let finding = analysis.next().await.unwrap().expect("a table");
        let found = &finding.batch.columns()[0];
        assert_eq!((finding.table.as_str(), found.name.as_str(), found.format.as_str()), ("counts", "rows", "l"), "{name}");
        assert_eq!(found.values, 6_i64.to_le_bytes(), "{name}");
        assert!(analysis.next().await.unwrap().is_none(), "{name}");
    }
}
