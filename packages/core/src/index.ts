/**
 * @since 0.1.0
 */
export * as AccessToken from "./AccessToken.js"
export * as Credential from "./Credential.js"
export * as CredentialLock from "./CredentialLock.js"
export * as CredentialStore from "./CredentialStore.js"
export * as CredentialWriter from "./CredentialWriter.js"
export * as Errors from "./Errors.js"
export * as Freshness from "./Freshness.js"
export * as Host from "./Host.js"
export * as LockWait from "./LockWait.js"
export * as PendingLogins from "./PendingLogins.js"
export * as RefreshCoordinator from "./RefreshCoordinator.js"
export * as RefreshJournal from "./RefreshJournal.js"
export * as RefreshPolicy from "./RefreshPolicy.js"
export * as TenantId from "./TenantId.js"
export * as TokenEndpoint from "./TokenEndpoint.js"
export * as TokenGrant from "./TokenGrant.js"
