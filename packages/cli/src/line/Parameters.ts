/**
 * Arguments and options that several commands have.
 *
 * @since 0.1.0
 */
import * as Args from "@effect/cli/Args"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Options from "@effect/cli/Options"
import * as RefreshPolicy from "@lockstep/core/RefreshPolicy"
import * as TenantId from "@lockstep/core/TenantId"
import * as Either from "effect/Either"
import * as Option from "effect/Option"

/**
 * A login by its name.
 *
 * @since 0.1.0
 * @category arguments
 */
export const tenant = Args.text({ name: "TENANT" }).pipe(
  Args.withDescription("a login: codex, codex@work, mcp:linear"),
  Args.mapEffect((text) =>
    Either.mapLeft(
      TenantId.fromString(text),
      () => HelpDoc.p("a tenant is 1 to 512 bytes without control characters")
    )
  )
)

/**
 * A span of time, optional.
 *
 * @since 0.1.0
 * @category options
 */
export const duration = (name: string, description: string) =>
  Options.text(name).pipe(
    Options.withPseudoName("DURATION"),
    Options.withDescription(description),
    Options.filterMap(
      RefreshPolicy.parseDuration,
      `--${name}: a duration such as 300, 300s, 5m, 2h or "5 minutes" is expected`
    ),
    Options.optional
  )

/**
 * A text, optional.
 *
 * @since 0.1.0
 * @category options
 */
export const text = (name: string, placeholder: string, description: string) =>
  Options.text(name).pipe(
    Options.withPseudoName(placeholder),
    Options.withDescription(description),
    Options.optional
  )

/**
 * A port, optional; 0 is any that is free.
 *
 * @since 0.1.0
 * @category options
 */
export const port = (description: string) =>
  Options.text("port").pipe(
    Options.withPseudoName("N"),
    Options.withDescription(description),
    Options.filterMap(
      (text) => /^\d{1,5}$/.test(text) && Number(text) <= 65_535 ? Option.some(Number(text)) : Option.none(),
      "--port: a number from 0 to 65535 is expected"
    ),
    Options.optional
  )

/**
 * A text that may be given several times.
 *
 * @since 0.1.0
 * @category options
 */
export const texts = (name: string, placeholder: string, description: string) =>
  Options.text(name).pipe(
    Options.withPseudoName(placeholder),
    Options.withDescription(description),
    Options.repeated
  )

/**
 * A switch.
 *
 * @since 0.1.0
 * @category options
 */
export const flag = (name: string, description: string) =>
  Options.boolean(name).pipe(Options.withDescription(description))

/**
 * Whether a program reads along.
 *
 * @since 0.1.0
 * @category options
 */
export const json = flag("json", "print JSON, errors too")

/**
 * The options of every command.
 *
 * @since 0.1.0
 * @category options
 */
export const globals = {
  home: text("home", "DIR", "where credentials live: LOCKSTEP_HOME, else ~/.lockstep"),
  store: text(
    "store",
    "STORE",
    "file, keyring, secrets, auto or TOOL[:PATH]: LOCKSTEP_STORE, else the home's own, else file"
  )
}
