"""Counts the words of what is posted to it."""

import re
from collections import Counter

from plugwork_guest import Plugin
from plugwork_guest.http import Context, HttpFunction, Request, Response

_WORD = re.compile(r"\w+")


class WordCount(HttpFunction):
    summary = "Counts the words of what is posted to it."

    def handle(self, request: Request, context: Context) -> Response:
        if request.method != "POST":
            return Response(405, {"allow": "POST"})
        words = Counter(_WORD.findall(request.text().lower()))
        most = sorted(words.items(), key=lambda pair: (-pair[1], pair[0]))[:10]
        return Response.json({"words": words.total(), "most": dict(most)})


plugin = Plugin(http_function=WordCount)
