import * as ClientRegistrations from "@lockstep/core/ClientRegistrations"
import { clientRegistrationsContract } from "@lockstep/testkit/contract/ClientRegistrationsContract"
import * as Effect from "effect/Effect"

clientRegistrationsContract("memory", Effect.map(ClientRegistrations.makeMemory, (one) => [one, one] as const))
