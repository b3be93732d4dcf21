import * as Effect from "effect/Effect"

const VARIABLES = [
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
  "http_proxy",
  "https_proxy",
  "no_proxy",
  "SSL_CERT_FILE"
] as const

/** Sets the variables of the network for the rest of the scope. Tests of one file run one after the other. */
export const environment = (variables: Partial<Record<typeof VARIABLES[number], string>>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const before = VARIABLES.map((name) => [name, process.env[name]] as const)
      for (const name of VARIABLES) delete process.env[name]
      Object.assign(process.env, variables)
      return before
    }),
    (before) =>
      Effect.sync(() => {
        for (const [name, value] of before) {
          if (value === undefined) delete process.env[name]
          else process.env[name] = value
        }
      })
  )
