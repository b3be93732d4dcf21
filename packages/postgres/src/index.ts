/**
 * @since 0.1.0
 */
export * as FleetPin from "./FleetPin.js"
export * as Homecoming from "./Homecoming.js"
export * as Migrations from "./Migrations.js"
export * as PostgresAddress from "./PostgresAddress.js"
export * as PostgresClientRegistrations from "./PostgresClientRegistrations.js"
export * as PostgresCredentialStore from "./PostgresCredentialStore.js"
export * as PostgresCustody from "./PostgresCustody.js"
export * as PostgresFailure from "./PostgresFailure.js"
export * as PostgresHome from "./PostgresHome.js"
export * as PostgresLease from "./PostgresLease.js"
export * as PostgresPendingLogins from "./PostgresPendingLogins.js"
export * as PostgresSession from "./PostgresSession.js"
export * as PostgresSignals from "./PostgresSignals.js"
export * as SealingKeyRing from "./SealingKeyRing.js"
export * as SealingRotation from "./SealingRotation.js"
export * as Spool from "./Spool.js"
