"""What is wrapped and what stays; run `python3 -m unittest discover -s tests` in the plugin's folder."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from wrapping import wrap  # noqa: E402  (the plugin's folder is no package)


class Wrapping(unittest.TestCase):
    def test_lines_of_a_paragraph_are_filled(self) -> None:
        self.assertEqual(wrap("one two\nthree four five", 13), "one two three\nfour five")

    def test_paragraphs_stay_apart_as_they_were(self) -> None:
        self.assertEqual(wrap("one\ntwo\n\n \nthree\nfour\n", 72), "one two\n\n \nthree four\n")

    def test_indented_lines_stay(self) -> None:
        self.assertEqual(wrap("a:\n    one\n    two\n\nb\nc", 72), "a:\n    one\n    two\n\nb c")

    def test_a_long_word_is_not_broken(self) -> None:
        self.assertEqual(wrap("see https://example.com/long-address now", 10), "see\nhttps://example.com/long-address\nnow")

    def test_wrapping_twice_changes_nothing(self) -> None:
        text = wrap("word " * 100 + "\n\n" + "longer-word " * 30)
        self.assertEqual(wrap(text), text)

    def test_nothing_stays_nothing(self) -> None:
        self.assertEqual([wrap(""), wrap("\n"), wrap("\n\n")], ["", "\n", "\n\n"])


if __name__ == "__main__":
    unittest.main()
