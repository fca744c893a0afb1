//! The contract is documented: every interface, type, field, case and function in `wit/` has a `///` sentence, and every interface its `@since`.
//!
//! Not a WIT parser: it reads lines, as the contract is written, one item a line. Easily got wrong: `wit/deps` and `wit/released` are other
//! people's and yesterday's text and are left alone.

use super::Finding;
use crate::tree::File;

/// Checks the contract.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let ours = files.iter().filter(|file| {
        let inside = file.path.strip_prefix("wit/").unwrap_or_default();
        inside.ends_with(".wit") && !inside.starts_with("deps/") && !inside.starts_with("released/")
    });
    ours.flat_map(|file| undocumented(&file.path, &file.text)).collect()
}

/// What kind of braces a line stands in.
#[derive(Clone, Copy, PartialEq)]
enum Inside {
    File,
    Interface,
    World,
    Record,
    /// A variant, an enum or flags.
    Cases,
    Resource,
}

fn undocumented(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut braces = vec![Inside::File];
    let mut has_doc = false;
    let mut has_since = false;
    for (index, line) in text.lines().map(str::trim).enumerate() {
        if line.starts_with("///") {
            has_doc |= line.len() > 3;
            continue;
        }
        if line.starts_with('@') {
            has_since |= line.starts_with("@since(") || line.starts_with("@unstable(");
            continue;
        }
        let inside = braces.last().copied().unwrap_or(Inside::File);
        let opens = opens(line);
        let place = format!("{path}:{}", index + 1);
        if let Some(name) = item(line, inside) {
            if !has_doc {
                findings.push(Finding::error(
                    &place,
                    format_args!("`{name}` has no doc comment"),
                    "say unit, size, and what happens at the limit",
                ));
            }
            if matches!(opens, Some(Inside::Interface | Inside::World)) && !has_since {
                findings.push(Finding::error(&place, format_args!("`{name}` has no `@since`"), "say in which version it appeared"));
            }
        }
        // An enum of plain words may stand on one line: its own sentence can say what they are.
        if opens.is_some() && line.contains('}') && line.contains([':', '(']) {
            findings.push(Finding::error(
                &place,
                "several items on one line",
                "give each field or case a line and a doc comment of its own",
            ));
        }
        let net = line.matches('{').count() as isize - line.matches('}').count() as isize;
        match (net, opens) {
            (1.., Some(kind)) => braces.push(kind),
            // `use a:b/c.{` over several lines: what is inside is named elsewhere.
            (1.., None) => braces.push(Inside::File),
            (..=-1, _) if braces.len() > 1 => drop(braces.pop()),
            _ => {}
        }
        if !line.is_empty() {
            (has_doc, has_since) = (false, false);
        }
    }
    findings
}

/// What a line opens, if it opens something that is documented inside.
fn opens(line: &str) -> Option<Inside> {
    line.contains('{').then(|| line.split_whitespace().next()).flatten().and_then(|word| match word {
        "interface" => Some(Inside::Interface),
        "world" => Some(Inside::World),
        "record" => Some(Inside::Record),
        "variant" | "enum" | "flags" => Some(Inside::Cases),
        "resource" => Some(Inside::Resource),
        _ => None,
    })
}

/// The name of what a line declares, if that needs a doc comment.
fn item(line: &str, inside: Inside) -> Option<&str> {
    let mut words = line.split(|letter: char| letter.is_whitespace() || ":;{(,=".contains(letter)).filter(|word| !word.is_empty());
    let first = words.next().filter(|word| !word.starts_with('}') && !word.starts_with("//"))?;
    match (first, inside) {
        ("use" | "package" | "include" | "import" | "export", _) => None,
        ("interface" | "world" | "record" | "variant" | "enum" | "flags" | "resource" | "type", _) => words.next(),
        (name, Inside::Record | Inside::Cases) => Some(name),
        (name, Inside::Interface | Inside::Resource) if line.contains("func(") || name == "constructor" => Some(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(text: &str) -> Vec<String> {
        undocumented("x.wit", text).iter().map(|finding| format!("{} {}", finding.place, finding.complaint)).collect()
    }

    const GOOD: &str = "package a:b@0.1.0;

/// What it does.
@since(version = 0.1.0)
interface things {
    use a:b/types@0.1.0.{one, two};
    use a:b/types@0.1.0.{
        three,
    };

    /// A pair.
    @since(version = 0.1.0)
    record pair {
        /// Bytes.
        left: list<u8>,
    }

    /// Which.
    variant which {
        /// This.
        this(pair),
        /// That.
        that,
    }

    /// A thing.
    resource cursor {
        /// The next.
        next: func() -> result<option<pair>, which>;
    }

    /// Another name.
    type other = pair;

    /// Opens.
    open: func(options: string) -> cursor;
}

/// A world.
@since(version = 0.1.0)
world plugin {
    include others;
    import a:b/log@0.1.0;
    export things;
}
";

    #[test]
    fn a_documented_contract_is_fine() {
        assert_eq!(complaints(GOOD), [""; 0]);
    }

    #[test]
    fn each_kind_of_item_needs_its_sentence() {
        for (doc, name) in [
            ("/// What it does.\n", "things"),
            ("    /// A pair.\n", "pair"),
            ("        /// Bytes.\n", "left"),
            ("        /// This.\n", "this"),
            ("        /// That.\n", "that"),
            ("    /// A thing.\n", "cursor"),
            ("        /// The next.\n", "next"),
            ("    /// Another name.\n", "other"),
            ("    /// Opens.\n", "open"),
            ("/// A world.\n", "plugin"),
        ] {
            let found = complaints(&GOOD.replacen(doc, "", 1));
            assert_eq!(found.len(), 1, "{name}: {found:?}");
            assert!(found[0].ends_with(&format!("`{name}` has no doc comment")), "{found:?}");
        }
    }

    #[test]
    fn an_interface_needs_its_version() {
        let found = complaints(&GOOD.replacen("@since(version = 0.1.0)\n", "", 1));
        assert_eq!(found, ["x.wit:4 `things` has no `@since`"]);
    }

    #[test]
    fn fields_on_one_line_are_found() {
        let found = complaints("/// X.\n@since(version = 0.1.0)\ninterface x {\n    /// Y.\n    record y { a: u32, b: u32 }\n}\n");
        assert_eq!(found, ["x.wit:5 several items on one line"]);
    }

    #[test]
    fn other_peoples_packages_are_left_alone() {
        let file = |path: &str| File { path: path.to_owned(), text: "interface x {}\n".to_owned() };
        assert!(check(&[file("wit/deps/io/x.wit"), file("wit/released/a/x.wit"), file("examples/x/wit/y.wit")]).is_empty());
        assert_eq!(check(&[file("wit/host/x.wit")]).len(), 2);
    }
}
