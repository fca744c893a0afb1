"""The twelve-line plugin of the README in Python.

Here: all of it but plugin.toml. Not here: options; it has none. Easy to get wrong: `RowCount` is made anew for each analysis.
"""

# README: begin
from plugwork_guest import Analyzer, Batch, Plugin, Table

class RowCount(Analyzer):
    summary = "Counts rows."
    rows = 0
    def push(self, batch: Batch) -> None:
        self.rows += batch.rows
    def finish(self) -> list[Table]:
        return [Table.from_columns("counts", {"rows": [self.rows]})]

plugin = Plugin(analyzer=RowCount)
# README: end
