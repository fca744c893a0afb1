//! Results: the first rows of each table an analyzer handed out.
//!
//! How a value is written is not here but in `cell`. Easy to get wrong: a table may have fewer cells in a row than columns, or
//! more; the page shows as many as there are columns.

use super::cell::Style;
use super::data::{Cell, Report, Table, limits};
use super::escape::Html;
use super::quantity::{counted, grouped};

pub(super) fn section(html: &mut Html, report: &Report) {
    if report.tables.is_empty() {
        return;
    }
    html.markup("<section id=\"results\" aria-labelledby=\"results-heading\">\n<h2 id=\"results-heading\">Results</h2>\n");
    for table in &report.tables {
        one(html, table);
    }
    html.markup("</section>\n");
}

fn one(html: &mut Html, table: &Table) {
    let width = table.columns.len().min(limits::TABLE_COLUMNS);
    let rows = &table.rows[..table.rows.len().min(limits::TABLE_ROWS)];
    let styles: Vec<Style> = table
        .columns
        .iter()
        .take(width)
        .enumerate()
        .map(|(index, column)| Style::of(&column.format, rows.iter().filter_map(|row| row.get(index))))
        .collect();

    html.markup("<div class=\"scroll tall\" role=\"region\" tabindex=\"0\"")
        .attribute("aria-label", &format!("{}: {}", table.step, table.name));
    html.markup("><table>\n<caption><div><b>").text_cut(&table.name, limits::LINE_CHARACTERS).markup("</b>");
    html.markup(" <span class=\"origin\">from step <code>").text_cut(&table.step, limits::LINE_CHARACTERS).markup("</code>, ");
    html.text(&extent(table, rows.len(), width)).markup("</span>");
    if !table.description.is_empty() {
        html.markup("<br><span class=\"description\">").text_cut(&table.description, limits::TEXT_CHARACTERS).markup("</span>");
    }
    html.markup("</div></caption>\n<thead><tr>");
    for (column, style) in table.columns.iter().zip(&styles) {
        html.markup(if style.is_number() { "<th scope=\"col\" class=\"number\">" } else { "<th scope=\"col\">" });
        html.text_cut(&column.name, limits::LINE_CHARACTERS).markup("</th>");
    }
    html.markup("</tr></thead>\n<tbody>\n");
    for row in rows {
        html.markup("<tr>");
        for (index, style) in styles.iter().enumerate() {
            html.markup(match style {
                Style::Whole | Style::Decimal(_) => "<td class=\"number\">",
                Style::Date(_) | Style::Time { .. } => "<td class=\"moment\">",
                Style::Plain => "<td>",
            });
            match style.write(row.get(index).unwrap_or(&Cell::Missing)) {
                Some(text) => html.text_cut(&text, limits::LINE_CHARACTERS),
                None => html.markup("<span class=\"missing\" title=\"no value\">–</span>"),
            };
            html.markup("</td>");
        }
        html.markup("</tr>\n");
    }
    html.markup("</tbody></table></div>\n");
}

/// How much of the table there is, and how much of it is here.
fn extent(table: &Table, rows: usize, columns: usize) -> String {
    // A caller that does not know the total must not make the page say that there are fewer rows than it shows.
    let total = table.rows_total.max(table.rows.len() as u64);
    let mut words = counted(total, "row", "rows");
    if total > rows as u64 {
        words.push_str(&format!(", the first {} shown", grouped(rows as u64)));
    }
    if table.columns.len() > columns {
        words.push_str(&format!(", {columns} of {} columns shown", table.columns.len()));
    }
    words
}
