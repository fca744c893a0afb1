//! The application of `hosts/axum-embed`, as a program: its own page and the routes that are plugins, in three languages.
//!
//! Easily got wrong: the program is built by `cargo test` and not by `cargo test --test it`.

use std::process::Command;

use crate::repository;

#[test]
fn an_axum_application_answers_with_plugins_in_three_languages() {
    let tests = std::env::current_exe().unwrap();
    let host = tests.parent().and_then(|folder| folder.parent()).unwrap().join("examples/axum-embed");
    assert!(host.is_file(), "there is no `{}`: run `cargo test`, or `cargo build --example axum-embed` first", host.display());
    let output = Command::new(host).current_dir(repository()).output().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{complained}");
    for answer in [
        "GET / \n  200 OK\n  the application's own page\n",
        "GET /hello/Ada \n  200 OK\n  hello, Ada\n",
        "\n  200 OK\n  {\"asked\":{\"method\":\"POST\",\"path\":\"/echo\",\"query\":\"from=here\",\"language\":null,\"body\":{\"a\":[1,2]}},\"by\":null,\"from\":\"127.0.0.1:",
        "\n  400 Bad Request\n  {\"title\":\"Bad Request\",\"status\":400,\"code\":\"E-REFUSED-INVALID\"",
        "\n  200 OK\n  {\"words\":5,\"most\":{\"sea\":2,\"and\":1,\"land\":1,\"the\":1}}\n",
        "GET /words \n  405 Method Not Allowed\n",
    ] {
        assert!(said.contains(answer), "{answer}\nis not in\n{said}");
    }
}
