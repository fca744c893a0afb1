// `@plugwork/guest`: everything a plugin's author needs; a contents page. HTTP is apart (`@plugwork/guest/fetch`),
// because it needs an import that most plugins do not have.

export { definePlugin } from "./define.js";
export { Refusal } from "./refusal.js";
export { log } from "./log.js";
export { Table, table, tableFromRows } from "./table.js";
export { Column } from "./column.js";
export { Groups } from "./groups.js";
export {
  blobs, booleans, columnOf, dates, decimals, float32, float64, int8, int16, int32, int64, texts, timestamps, uint8, uint16, uint32, uint64,
} from "./build.js";
