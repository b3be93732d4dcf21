/**
 * What the use of a tool's file needs, loaded together.
 */
export * as ToolFile from "../ToolFile.js"
export * as ToolFiles from "../ToolFiles.js"
export * as ToolHome from "../ToolHome.js"
