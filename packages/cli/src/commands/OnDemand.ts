/**
 * Commands that people give and hooks do not, loaded together when one of them is given: a module of its own for each
 * would scatter what all commands share over many small files, which every start would have to open.
 *
 * @since 0.1.0
 */
export * as Agent from "./Agent.js"
export * as Doctor from "./Doctor.js"
export * as ExecProxy from "./ExecProxy.js"
export * as Fleet from "./Fleet.js"
export * as Login from "./Login.js"
export * as Mcp from "./Mcp.js"
export * as Migrate from "./Migrate.js"
export * as Proxy from "./Proxy.js"
export * as RotateKey from "./RotateKey.js"
export * as Setup from "./Setup.js"
export * as Store from "./Store.js"
export * as Vendors from "./Vendors.js"
export * as VendorSecret from "./VendorSecret.js"
