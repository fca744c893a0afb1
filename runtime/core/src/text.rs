//! Text that strangers wrote and people read. What to do with it is the reader's business; which characters deceive is decided here once.

/// Characters that show nothing themselves and change how others are read: direction, joining, tags, line and paragraph separators, fillers.
pub fn is_unseen(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{61c}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// What somebody wrote as one plain line of at most so many bytes; the rest is cut off.
pub fn one_line(text: &str, bytes_max: usize) -> String {
    let mut line = String::new();
    for letter in text.chars().map(|letter| if letter.is_control() || is_unseen(letter) { ' ' } else { letter }) {
        if line.len() + letter.len_utf8() > bytes_max {
            break;
        }
        line.push(letter);
    }
    line.trim().to_owned()
}
