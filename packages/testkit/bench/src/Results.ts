/**
 * Everything that one run has measured. Parts that were not asked for are missing.
 *
 * @since 0.1.0
 */
import type * as Bridge from "./measure/Bridge.js"
import type * as ColdCrowd from "./measure/ColdCrowd.js"
import type * as Contention from "./measure/Contention.js"
import type * as FleetFaults from "./measure/FleetFaults.js"
import type * as FleetTimes from "./measure/FleetTimes.js"
import type * as FreshRead from "./measure/FreshRead.js"
import type * as HandOff from "./measure/HandOff.js"
import type * as Proxy from "./measure/Proxy.js"
import type * as Recovery from "./measure/Recovery.js"
import type * as RefreshCost from "./measure/RefreshCost.js"
import type * as StartUp from "./measure/StartUp.js"
import type { Options } from "./Options.js"
import type * as Statistics from "./Statistics.js"

/**
 * Where and when it was measured.
 *
 * @since 0.1.0
 * @category models
 */
export interface Surroundings {
  /** ISO 8601. */
  readonly at: string
  readonly node: string
  readonly system: string
  readonly processor: string
  readonly cores: number
  /** The load average of the last minute, before the run and after it. */
  readonly load: { readonly before: number; readonly after: number }
  /** Seconds. */
  readonly took: number
  readonly commit: string
}

/**
 * Everything that one run has measured.
 *
 * @since 0.1.0
 * @category models
 */
export interface Results {
  readonly surroundings: Surroundings
  readonly options: Options
  /** Why the peers could not be installed, if they could not. */
  readonly peers?: string
  readonly contention?: ReadonlyArray<Contention.Entry>
  readonly cost?: ReadonlyArray<RefreshCost.Cost>
  readonly read?: ReadonlyArray<FreshRead.Reading>
  readonly handOff?: ReadonlyArray<HandOff.HandOff>
  readonly rotation?: Statistics.Summary | undefined
  readonly recovery?: ReadonlyArray<Recovery.Recovery>
  readonly inFlight?: Recovery.InFlight
  readonly cold?: ColdCrowd.Measured
  readonly startUp?: ReadonlyArray<StartUp.Started>
  readonly proxy?: Proxy.Measured
  readonly bridge?: Bridge.Measured
  readonly fleet?: FleetTimes.Times
  readonly trials?: ReadonlyArray<FleetFaults.Trial>
}
