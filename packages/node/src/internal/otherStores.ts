/**
 * What the plain file does not need, loaded together by those alone who do: a module of its own for each would scatter
 * what all of them share over many small files, which every start of a bundled command would have to open.
 */
export * as KeyringHome from "../KeyringHome.js"
export * as NativeKeyring from "../NativeKeyring.js"
export * as SecretsHome from "../SecretsHome.js"
export * as ToolFiles from "../ToolFiles.js"
export * as ToolHome from "../ToolHome.js"
