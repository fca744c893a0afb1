//! The Python step: generated modules around the author's, and one component of them with CPython inside.
//!
//! What the generated modules do is in the SDK, `plugwork_guest/inside/entry.py`; here they are three lines each. The author's
//! top-level code runs here, inside the tool's own sandbox, because a component is a snapshot taken after it: an exception that it
//! raises is a build error.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use plugwork_core::InterfaceName;

use crate::{BuildError, ErrorKind, Step, run};

/// The generated entry module. Its name is in nobody's way, unlike `app` or `plugin`.
const ENTRY: &str = "plugwork_entry";
const GENERATED: &str = "generated";
const COMPONENT: &str = "component.wasm";
const TOOL: &str = "componentize-py";

/// Interfaces that the SDK itself speaks, under module names that no other interface of the world can take from it.
const SDK_INTERFACES: [&str; 5] = [
    "plugwork:host/log@0.1.0",
    "plugwork:host/fetch@0.1.0",
    "plugwork:host/events@0.1.0",
    "plugwork:plugin/refusal@0.1.0",
    "plugwork:table/types@0.1.0",
];

/// Words that Python keeps for itself and that an interface may be called.
const KEYWORDS: [&str; 32] = [
    "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del", "elif", "else", "except", "finally", "for",
    "from", "global", "if", "import", "in", "is", "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while", "with",
    "yield",
];

/// Builds the component of a Python plugin.
pub(crate) fn build(step: &Step<'_>) -> Result<Vec<u8>, BuildError> {
    tools_ready(step.sdk_dir)?;
    let module = source_module(step.source)?;
    let exports = module_names(step.exports);
    write_modules(step, &module, &exports)?;
    componentize(step, &exports)?;
    let component = step.work_dir.join(COMPONENT);
    fs::read(&component).map_err(|error| BuildError::io("read", &component, &error))
}

/// Whether the pinned tool is in the SDK's own environment; the error says how it gets there.
pub(crate) fn tools_ready(sdk_dir: &Path) -> Result<(), BuildError> {
    let path = sdk_dir.join("requirements.txt");
    let pinned = fs::read_to_string(&path).map_err(|error| BuildError::io("read", &path, &error))?;
    let version = pinned.lines().find_map(|line| line.trim().strip_prefix("componentize-py=="));
    let version = version.and_then(|rest| rest.split_whitespace().next()).unwrap_or_default();
    if tool_path(sdk_dir).exists() && installed(sdk_dir, version) {
        return Ok(());
    }
    let dir = sdk_dir.display();
    Err(BuildError::tool_missing(
        &format!("{TOOL} {version}"),
        format!("run `python3 -m venv {dir}/.venv && {dir}/.venv/bin/python -m pip install --require-hashes -r {dir}/requirements.txt`"),
    ))
}

/// Asks the environment's folders, not the tool, which takes a third of a second to say its version.
fn installed(sdk_dir: &Path, version: &str) -> bool {
    let folder = format!("componentize_py-{version}.dist-info");
    let Ok(pythons) = fs::read_dir(sdk_dir.join(".venv").join("lib")) else { return false };
    pythons.flatten().any(|python| python.path().join("site-packages").join(&folder).exists())
}

fn tool_path(sdk_dir: &Path) -> PathBuf {
    sdk_dir.join(".venv").join("bin").join(TOOL)
}

/// The name under which Python imports the entry file.
fn source_module(source: &Path) -> Result<String, BuildError> {
    let refused = |why: &str| Err(BuildError::manifest(format!("`build.source` is `{}`: {why}", source.display())));
    let Some(name) = source.file_stem().and_then(|name| name.to_str()) else {
        return refused("it needs a name that Python can import, such as `plugin.py`");
    };
    let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if source.extension().is_none_or(|extension| extension != "py")
        || !letters
        || name.starts_with(|first: char| first.is_ascii_digit())
        || KEYWORDS.contains(&name)
    {
        return refused("it needs a name that Python can import, such as `plugin.py`");
    }
    if [ENTRY, "plugwork_guest", "wit_world", "componentize_py_types"].contains(&name) {
        return refused("the name is taken by the SDK: rename the file, for example to `plugin.py`");
    }
    Ok(name.to_owned())
}

/// Each export with the name of its generated module: `plugwork_points_analyzer` for interfaces of `plugwork`, which an author does
/// not meet; `text_filter` for others, because an author writes `from wit_world.exports.text_filter import Text`; and
/// `example_text_text_filter` where two would have one name.
fn module_names(exports: &[InterfaceName]) -> Vec<(&InterfaceName, String)> {
    let short = |name: &InterfaceName| snake(name.interface());
    let long = |name: &InterfaceName| snake(name.path());
    let clashes = |name: &InterfaceName| exports.iter().filter(|other| short(other) == short(name)).count() > 1;
    let named = |name| if is_ours(name) || clashes(name) { long(name) } else { short(name) };
    exports.iter().map(|name| (name, named(name))).collect()
}

fn is_ours(name: &InterfaceName) -> bool {
    name.package().starts_with("plugwork:")
}

/// A WIT name as a Python module's.
fn snake(name: &str) -> String {
    let snake = name.to_ascii_lowercase().replace(['-', ':', '/'], "_");
    if KEYWORDS.contains(&snake.as_str()) { snake + "_" } else { snake }
}

/// The entry module, and for each export the top-level module in which the tool looks for its resources.
fn write_modules(step: &Step<'_>, module: &str, exports: &[(&InterfaceName, String)]) -> Result<(), BuildError> {
    let folder = step.work_dir.join(GENERATED);
    fs::create_dir_all(&folder).map_err(|error| BuildError::io("create", &folder, &error))?;
    let write = |name: &str, text: &str| {
        let path = folder.join(format!("{name}.py"));
        let text = format!("\"\"\"Made by `plugwork build`; what happens here is in `plugwork_guest/inside/entry.py`.\"\"\"\n\n{text}");
        fs::write(&path, text).map_err(|error| BuildError::io("write", &path, &error))
    };
    let table: Vec<String> = exports.iter().map(|(name, module)| format!("    \"{}\": \"{module}\",\n", name.path())).collect();
    let stubbed = if step.dev { "False" } else { "True" };
    write(
        ENTRY,
        &format!(
            "from plugwork_guest.inside.entry import connect\n\nglobals().update(connect(\"{module}\", {{\n{}}}, {stubbed}))\n",
            table.concat()
        ),
    )?;
    exports.iter().try_for_each(|(_, name)| {
        write(name, &format!("from plugwork_guest.inside.entry import resources\n\nglobals().update(resources(\"{name}\"))\n"))
    })
}

fn componentize(step: &Step<'_>, exports: &[(&InterfaceName, String)]) -> Result<(), BuildError> {
    let component = step.work_dir.join(COMPONENT);
    let source_dir = step.source.parent().unwrap_or(step.project_dir);
    let mut command = Command::new(tool_path(step.sdk_dir));
    command.current_dir(step.work_dir).env_remove("VIRTUAL_ENV").env_remove("PYTHONPATH").env("PYTHONDONTWRITEBYTECODE", "1");
    command.arg("--quiet").arg("--wit-path").arg(step.wit_dir).args(["--world", step.world]);
    for name in SDK_INTERFACES {
        let path = name.split_once('@').map_or(name, |(path, _)| path);
        command.arg("--import-interface-name").arg(format!("{name}={}", snake(path)));
    }
    for (name, module) in exports {
        command.arg("--export-interface-name").arg(format!("{name}={module}"));
    }
    command.args(["componentize", ENTRY]);
    for folder in [&step.work_dir.join(GENERATED), step.sdk_dir, source_dir] {
        command.arg("--python-path").arg(folder);
    }
    if !step.dev {
        command.arg("--stub-wasi");
    }
    command.arg("--output").arg(&component);
    match run(command) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::ToolFailed => {
            let folders = [step.work_dir.join(GENERATED), step.sdk_dir.to_owned(), source_dir.to_owned()];
            Err(BuildError::tool_failed(TOOL, readable(error.output(), &folders)))
        }
        Err(error) => Err(error),
    }
}

/// What Python said about the author's files, without what is not the author's: the tool's own stack around it, and the frames of
/// the SDK and of Python's import. The tool mounts each folder of its Python path as `/0`, `/1`, …; here they have their names again.
fn readable(output: &str, folders: &[PathBuf]) -> String {
    // The exception comes as text inside the tool's own, which goes on with the causes and a native stack.
    let said = output.split_once("AssertionError: Traceback ").map_or(output, |(_, inner)| inner);
    let said = said.split("\nCaused by:").next().unwrap_or(said).trim_end();
    if said == output.trim_end() {
        return said.to_owned();
    }
    let authors = folders.len() - 1;
    let (mut kept, mut keep) = (String::new(), false);
    for line in said.lines().skip(1) {
        if let Some(place) = line.strip_prefix("  File \"") {
            keep = place.starts_with(&format!("/{authors}/"));
        } else if !line.starts_with("    ") {
            keep = true;
        }
        if keep {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    let translate = |text: String, (index, folder): (usize, &PathBuf)| {
        text.replace(&format!("File \"/{index}/"), &format!("File \"{}/", folder.display()))
    };
    folders.iter().enumerate().fold(kept, translate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<InterfaceName> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn modules(exports: &[&str]) -> Vec<String> {
        let exports = names(exports);
        module_names(&exports).into_iter().map(|(_, module)| module).collect()
    }

    #[test]
    fn own_interfaces_have_short_names_and_ours_cannot_clash_with_them() {
        assert_eq!(
            modules(&["plugwork:points/analyzer@0.1.0", "example:text/text-filter@0.1.0", "acme:geo/analyzer"]),
            ["plugwork_points_analyzer", "text_filter", "acme_geo_analyzer"]
        );
    }

    #[test]
    fn a_python_keyword_is_no_module_name() {
        assert_eq!(modules(&["acme:geo/import@1.0.0"]), ["import_"]);
    }

    #[test]
    fn refuses_an_entry_file_that_python_cannot_import() {
        for name in ["my-plugin.py", "1st.py", "plugin.txt", "class.py", "plugwork_guest.py"] {
            assert!(source_module(&Path::new("/project").join(name)).is_err(), "{name}");
        }
        assert_eq!(source_module(Path::new("/project/plugin_2.py")).unwrap(), "plugin_2");
    }

    #[test]
    fn a_missing_environment_says_how_to_make_it() {
        let sdk = tempfile::tempdir().unwrap();
        fs::write(sdk.path().join("requirements.txt"), "componentize-py==0.25.1 \\\n    --hash=sha256:00\n").unwrap();
        let error = tools_ready(sdk.path()).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::ToolMissing);
        assert!(error.to_string().contains("componentize-py 0.25.1") && error.to_string().contains("--require-hashes"), "{error}");
    }

    #[test]
    fn another_version_of_the_tool_is_not_ready() {
        let sdk = tempfile::tempdir().unwrap();
        fs::write(sdk.path().join("requirements.txt"), "componentize-py==0.25.1 \\\n    --hash=sha256:00\n").unwrap();
        let packages = sdk.path().join(".venv/lib/python3.11/site-packages");
        fs::create_dir_all(sdk.path().join(".venv/bin")).unwrap();
        fs::write(tool_path(sdk.path()), "").unwrap();
        fs::create_dir_all(packages.join("componentize_py-0.24.0.dist-info")).unwrap();
        assert!(tools_ready(sdk.path()).is_err());
        fs::create_dir_all(packages.join("componentize_py-0.25.1.dist-info")).unwrap();
        assert!(tools_ready(sdk.path()).is_ok());
    }

    #[test]
    fn a_build_error_shows_the_authors_lines_only() {
        let folders = ["/w/generated", "/sdk", "/home/me/p"].map(PathBuf::from);
        let output = "Traceback (most recent call last):\n  File \"/sdk/.venv/bin/componentize-py\", line 8, in <module>\nAssertionError: \
                      Traceback (most recent call last):\n  File \"/0/plugwork_entry.py\", line 5, in <module>\n    connect()\n    ~~~^^\n  \
                      File \"/1/plugwork_guest/inside/entry.py\", line 3, in connect\n    import_module()\n  \
                      File \"/2/plugin.py\", line 1, in <module>\n    import nowhere\nModuleNotFoundError: No module named 'nowhere'\n\n\n\
                      Caused by:\n    more\n\nStack backtrace:\n   0: anyhow";
        assert_eq!(
            readable(output, &folders),
            "  File \"/home/me/p/plugin.py\", line 1, in <module>\n    import nowhere\nModuleNotFoundError: No module named 'nowhere'\n"
        );
    }

    #[test]
    fn what_the_tool_says_itself_is_kept_whole() {
        assert_eq!(readable("error: no such option\n", &["/a", "/b", "/c"].map(PathBuf::from)), "error: no such option");
    }
}
