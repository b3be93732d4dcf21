/**
 * @since 0.1.0
 */
export * as AuthorizationServer from "./AuthorizationServer.js"
export * as Bundle from "./Bundle.js"
export * as ChildProcess from "./ChildProcess.js"
export * as Gate from "./Gate.js"
export * as LeakCheck from "./LeakCheck.js"
export * as LineProtocol from "./LineProtocol.js"
export * as ProcessHarness from "./ProcessHarness.js"
export * as Race from "./Race.js"
export * as RaceReport from "./RaceReport.js"
export * as RemoteWorker from "./RemoteWorker.js"
export * as RunDirectory from "./RunDirectory.js"
export * as SeededHome from "./SeededHome.js"
export * as StepTracer from "./StepTracer.js"
export * as TerminalStyle from "./TerminalStyle.js"
export * as TokenLedger from "./TokenLedger.js"
export * as WorkerCommand from "./WorkerCommand.js"
