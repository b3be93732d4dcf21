/**
 * What only a command needs whose store is the shared database, loaded together by it.
 *
 * @since 0.1.0
 */
export * as Sweep from "@lockstep/core/Sweep"
export * as FleetEviction from "@lockstep/postgres/FleetEviction"
export * as FleetRestore from "@lockstep/postgres/FleetRestore"
export * as FleetView from "@lockstep/postgres/FleetView"
export * as Migrations from "@lockstep/postgres/Migrations"
export * as PostgresAddress from "@lockstep/postgres/PostgresAddress"
export * as PostgresDueTimes from "@lockstep/postgres/PostgresDueTimes"
export * as PostgresFailure from "@lockstep/postgres/PostgresFailure"
export * as PostgresIssuerBudget from "@lockstep/postgres/PostgresIssuerBudget"
export * as PostgresSession from "@lockstep/postgres/PostgresSession"
export * as PostgresStore from "@lockstep/postgres/PostgresStore"
export * as SealingRotation from "@lockstep/postgres/SealingRotation"
export * as Spool from "@lockstep/postgres/Spool"
export * as SpoolDelivery from "@lockstep/postgres/SpoolDelivery"
