/**
 * @since 0.1.0
 */
export * as Migrations from "./Migrations.js"
export * as PostgresAddress from "./PostgresAddress.js"
export * as PostgresClientRegistrations from "./PostgresClientRegistrations.js"
export * as PostgresCredentialStore from "./PostgresCredentialStore.js"
export * as PostgresCustody from "./PostgresCustody.js"
export * as PostgresFailure from "./PostgresFailure.js"
export * as PostgresLease from "./PostgresLease.js"
export * as PostgresPendingLogins from "./PostgresPendingLogins.js"
export * as PostgresSession from "./PostgresSession.js"
export * as PostgresSignals from "./PostgresSignals.js"
export * as Spool from "./Spool.js"
