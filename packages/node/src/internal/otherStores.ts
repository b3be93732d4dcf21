/**
 * What the plain file does not need, loaded together by those alone who do: a module of its own for each would scatter
 * what all of them share over many small files, which every start of a bundled command would have to open.
 */
export * as KeyringHome from "../keyring/KeyringHome.js"
export * as NativeKeyring from "../keyring/NativeKeyring.js"
export * as SecretsHome from "../secrets/SecretsHome.js"
export * as MoveSides from "./moveSides.js"
