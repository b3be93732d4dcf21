/**
 * @since 0.1.0
 */
export * as DirectoryWatch from "./DirectoryWatch.js"
export * as FileCredentialLock from "./FileCredentialLock.js"
export * as KernelLock from "./KernelLock.js"
export * as LockPaths from "./LockPaths.js"
export * as NodeHost from "./NodeHost.js"
export * as Ownership from "./Ownership.js"
export * as RemoteFileSystem from "./RemoteFileSystem.js"
