import type { StoreKind } from "@lockstep/node/HomePin"
import * as Workers from "@lockstep/testkit/processes/AskedWorker"
import * as Bundle from "@lockstep/testkit/processes/Bundle"
import type { Point } from "@lockstep/testkit/processes/StepTracer"
import * as Effect from "effect/Effect"

export interface Settings {
  readonly root: string
  readonly kind?: StoreKind
  readonly die?: Point
  readonly tell?: boolean
}

const bundle = Bundle.make(new URL("../fixtures/storeWorker.ts", import.meta.url))

/** A real process with a home and a keyring that all of them share. Answers `done`, or `failed` with tag and reason. */
export const spawn = (settings: Settings) =>
  Effect.flatMap(bundle, (file) => Workers.start(file, settings, settings.root))
