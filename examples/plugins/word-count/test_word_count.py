"""What the plugin promises. Run with the SDK on the path: `PYTHONPATH=../../../guest-sdk/python python3 -m unittest`."""

import json
import unittest

from plugin import WordCount
from plugwork_guest.http import Context, Request


class Counting(unittest.TestCase):
    def test_only_post_is_answered(self) -> None:
        response = WordCount({}).handle(Request("GET", "/"), Context())
        self.assertEqual((response.status, response.headers), (405, {"allow": "POST"}))

    def test_words_are_counted_in_any_case_the_most_frequent_first(self) -> None:
        response = WordCount({}).handle(Request("POST", "/", body="Sea, sea and the land".encode()), Context())
        self.assertEqual(json.loads(response.body), {"words": 5, "most": {"sea": 2, "and": 1, "land": 1, "the": 1}})


if __name__ == "__main__":
    unittest.main()
