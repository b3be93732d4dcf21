/**
 * @since 0.1.0
 */
export * as ToolEntry from "./imports/ToolEntry.js"
export * as ToolImport from "./imports/ToolImport.js"
export * as ToolImports from "./imports/ToolImports.js"
export * as ToolFile from "./ToolFile.js"
export * as ToolFiles from "./ToolFiles.js"
export * as ToolHome from "./ToolHome.js"
export * as ToolStores from "./ToolStores.js"
