//! Rust text without its comments and literals, so that a rule about code is not fooled by a sentence about code.
//!
//! Line numbers stay as they were. This is no parser: it knows exactly what can hide a word (comments, strings, raw strings, characters).
//! Easily got wrong: `'a` may be a lifetime or the start of a character; only a character is closed by `'`.

/// The same number of lines; every letter inside a comment or literal is a blank.
pub(super) fn without_words(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < letters.len() {
        let end = hidden_until(&letters, at);
        if end > at {
            out.extend(letters[at..end].iter().map(|letter| if *letter == '\n' { '\n' } else { ' ' }));
            at = end;
        } else {
            out.push(letters[at]);
            at += 1;
        }
    }
    out
}

/// Where the comment or literal that begins here ends; `at` when none does.
fn hidden_until(letters: &[char], at: usize) -> usize {
    let next = |offset: usize| letters.get(at + offset).copied().unwrap_or('\0');
    let after_word = at > 0 && (letters[at - 1].is_alphanumeric() || letters[at - 1] == '_');
    match (letters[at], next(1)) {
        ('/', '/') => position(letters, at, |letter| letter == '\n'),
        ('/', '*') => block_comment(letters, at),
        ('"', _) => string(letters, at + 1),
        ('r', '"' | '#') if !after_word || letters[at - 1] == 'b' || letters[at - 1] == 'c' => raw_string(letters, at),
        ('\'', '\\') => character(letters, at),
        ('\'', _) if next(2) == '\'' => at + 3,
        _ => at,
    }
}

fn position(letters: &[char], from: usize, is_end: impl Fn(char) -> bool) -> usize {
    letters[from..].iter().position(|letter| is_end(*letter)).map_or(letters.len(), |offset| from + offset)
}

/// Block comments nest.
fn block_comment(letters: &[char], from: usize) -> usize {
    let (mut at, mut depth) = (from, 0);
    while at < letters.len() {
        match (letters[at], letters.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at.min(letters.len())
}

fn string(letters: &[char], from: usize) -> usize {
    let mut at = from;
    while at < letters.len() {
        match letters[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    letters.len()
}

/// `at` itself when it is no raw string but a raw identifier, such as `r#type`.
fn raw_string(letters: &[char], at: usize) -> usize {
    let quote = position(letters, at + 1, |letter| letter != '#');
    if letters.get(quote) != Some(&'"') {
        return at;
    }
    let fences = quote - at - 1;
    let mut end = quote + 1;
    while end < letters.len() {
        if letters[end] == '"' && letters[end + 1..].iter().take(fences).filter(|letter| **letter == '#').count() == fences {
            return end + 1 + fences;
        }
        end += 1;
    }
    letters.len()
}

fn character(letters: &[char], at: usize) -> usize {
    (position(letters, (at + 3).min(letters.len()), |letter| letter == '\'') + 1).min(letters.len())
}

/// The numbers, from 1, of the lines in which `word` stands as a whole word.
pub(super) fn lines_with(code: &str, word: &str) -> Vec<usize> {
    let part_of_word = |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    let stands = |line: &str| {
        line.match_indices(word)
            .any(|(at, _)| !part_of_word(line[..at].chars().next_back()) && !part_of_word(line[at + word.len()..].chars().next()))
    };
    code.lines().enumerate().filter(|(_, line)| stands(line)).map(|(index, _)| index + 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_hide_words() {
        for text in [
            "// unsafe",
            "/* a /* unsafe */ unsafe */",
            "\"unsafe \\\" unsafe\"",
            "r#\"unsafe \" unsafe\"#",
            "br\"unsafe\"",
            "/// `unsafe`",
            "'\\''; // unsafe",
            "'\"'; // \" unsafe",
        ] {
            assert!(lines_with(&without_words(text), "unsafe").is_empty(), "{text}: {}", without_words(text));
        }
    }

    #[test]
    fn code_stays_with_its_line_numbers() {
        let text = "/* one\ntwo */ fn f<'a>(x: &'a str) { let c = 'x'; unsafe { r#type(\"\n\") } }\n";
        let code = without_words(text);
        assert_eq!(lines_with(&code, "unsafe"), [2]);
        assert_eq!(lines_with(&code, "type"), [2]);
        assert_eq!(code.lines().count(), text.lines().count());
    }

    #[test]
    fn only_whole_words_count() {
        assert!(lines_with("unsafe_code reprintln!", "unsafe").is_empty());
        assert_eq!(lines_with("println!(x); eprintln!(y)", "println!"), [1]);
        assert!(lines_with("eprintln!(y)", "println!").is_empty());
    }

    #[test]
    fn text_that_never_ends_is_no_trouble() {
        for text in ["\"open", "r##\"open\"#", "/* open", "'\\", "'", "r#"] {
            without_words(text);
        }
    }
}
