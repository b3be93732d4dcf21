import * as Effect from "effect/Effect"
import type { Configuration, Provider } from "oidc-provider"

/**
 * Loads and makes the provider without what it prints on Node 20 ("Unsupported runtime"): it runs there, and the race
 * is read by people.
 */
export const make = (issuer: string, configuration: Configuration): Effect.Effect<Provider> =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const { info, warn } = console
      const quietly = (print: typeof warn): typeof warn => (...args) => {
        if (!/oidc-provider (WARNING|NOTICE)/.test(String(args[0]))) print(...args)
      }
      console.warn = quietly(warn)
      console.info = quietly(info)
      return { info, warn }
    }),
    () =>
      Effect.promise(async () => {
        const module = await import("oidc-provider")
        return new module.Provider(issuer, configuration)
      }),
    (saved) => Effect.sync(() => Object.assign(console, saved))
  )
