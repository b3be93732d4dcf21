/**
 * @since 0.1.0
 */
export * as ControlledLock from "./ControlledLock.js"
export * as Gate from "./Gate.js"
export * as MemoryMachine from "./MemoryMachine.js"
export * as MortalProcess from "./MortalProcess.js"
export * as ScriptedTokenEndpoint from "./ScriptedTokenEndpoint.js"
export * as Simulation from "./Simulation.js"
export * as WallClock from "./WallClock.js"
