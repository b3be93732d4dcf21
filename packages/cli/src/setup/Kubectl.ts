/**
 * kubectl: a user whose token Lockstep prints, by kubectl's exec protocol.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { UsageError } from "../line/UsageError.js"
import * as KubeConfig from "./KubeConfig.js"
import * as Places from "./Places.js"
import type { Self } from "./Self.js"
import type { Setting } from "./Setting.js"
import * as SettingsFile from "./SettingsFile.js"

/**
 * What kubectl is set up for.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  readonly tenant: string
  /** What kubectl calls the user; like the tenant where nothing is said. */
  readonly user: Option.Option<string>
  /** A context that is to be this user's. */
  readonly context: Option.Option<string>
}

const isOurs = (exec: unknown): boolean => /"(?:[^"]*[\\/])?lockstep[^"]*"/.test(JSON.stringify(exec) ?? "")

/**
 * Looks at what kubectl has for the user.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (self: Self, options: Options): Effect.Effect<Setting, UsageError> => {
  const [command, ...args] = self.words("token", options.tenant, "--format", "kubernetes")
  const wanted: KubeConfig.Wanted = {
    name: Option.getOrElse(options.user, () => options.tenant),
    exec: { apiVersion: "client.authentication.k8s.io/v1", interactiveMode: "Never", command, args },
    context: options.context
  }
  const [first, ...more] = Places.kubectl(process.env)
  return SettingsFile.make({
    // kubectl takes its files for one: what is changed is changed where it stands.
    path: [first, ...more].find((path) => KubeConfig.isIn(SettingsFile.peek(path), wanted)) ?? first,
    text: KubeConfig.render(wanted),
    edit: (text) => KubeConfig.edit(text, wanted, isOurs),
    next: Option.isSome(options.context)
      ? []
      : [
        `give the user to a context: --context NAME, or \`kubectl --user ${
          JSON.stringify(wanted.name)
        }\` for one command`
      ]
  })
}
