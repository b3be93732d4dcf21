/**
 * Shows a person what to do and for how long there is still time.
 *
 * What a relay needs goes to stdout; the prose goes to stderr, and changes in place only where a person looks at it.
 *
 * @since 0.1.0
 */
import type { Invitation, Person } from "@lockstep/oauth/Login"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Output from "../terminal/Output.js"
import * as Question from "../terminal/Question.js"
import * as Style from "../terminal/Style.js"
import * as Times from "../terminal/Times.js"
import * as AddressPrompt from "./AddressPrompt.js"
import * as InvitationView from "./InvitationView.js"
import * as QrCode from "./QrCode.js"

/**
 * How a login is shown.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends InvitationView.Subject {
  readonly qr: boolean
  readonly json: boolean
  /** Opens an address in a browser of this machine, where there is one, and tells whether it did. */
  readonly open: (url: string) => Effect.Effect<boolean>
}

const CLEAR = Style.redraw("line")

/**
 * Draws the address as a QR code where that is wished.
 *
 * @since 0.1.0
 * @category combinators
 */
export const qr = (url: string, isWished: boolean): Effect.Effect<void, never, Output.Output> =>
  Effect.gen(function*() {
    if (!isWished) return
    const { note, noteScreen: { columns }, noteStyle: style } = yield* Output.Output
    const code = QrCode.render(url, { style, columns })
    yield* Option.isSome(code)
      ? note(code.value)
      : Output.warn(`the window is too narrow for the QR code of this address (${columns} columns)`)
  })

const headline = (invitation: Invitation, tenant: string, isOpened: boolean): string => {
  const who = `To log in to ${Style.printable(tenant)}`
  if (invitation._tag === "Device") {
    return Option.isSome(invitation.verificationUriComplete)
      ? `${who}, open this address and compare this code:`
      : `${who}, open this address and enter this code:`
  }
  return isOpened
    ? `${who}, go on in your browser. Should it not have opened, this is the address:`
    : `${who}, open this address in a browser:`
}

const ELSEWHERE =
  "If that browser runs on another machine, its last page will not load: paste the address of that page."

/** Says what to do, once. */
const tell = (invitation: Invitation, options: Options, canPaste: boolean) =>
  Effect.gen(function*() {
    const { dataStyle, note, noteScreen, noteStyle } = yield* Output.Output
    if (options.json) yield* Output.json(InvitationView.json(invitation, options, Option.none()))
    const url = InvitationView.addressOf(invitation)
    const isOpened = yield* options.open(url)
    if (options.json && !noteScreen.isTerminal) return
    yield* note(`${InvitationView.introduction(options)}${headline(invitation, options.tenant, isOpened)}\n`)
    if (invitation._tag === "Device" && !options.json) {
      const [address = "", ...code] = InvitationView.lines(invitation).map(Style.printable)
      yield* Output.line(address)
      yield* Effect.forEach(code, (text) => Output.line(dataStyle.bold(text)))
    } else {
      yield* note(
        `${InvitationView.lines(invitation).map((text) => noteStyle.cyan(Style.printable(text))).join("\n")}\n`
      )
    }
    yield* qr(url, options.qr)
    if (canPaste && !isOpened) yield* note(`${ELSEWHERE}\n`)
  })

/** Keeps the time left before a person's eyes; elsewhere it is said once. */
const wait = (invitation: Invitation, options: Options, prompt: Option.Option<AddressPrompt.AddressPrompt>) =>
  Effect.gen(function*() {
    const { note, noteScreen, noteStyle } = yield* Output.Output
    const left = Effect.map(
      Clock.currentTimeMillis,
      (now) => `Waiting, ${Times.span(Math.max(0, invitation.expiresAt - now))} left.`
    )
    if (!noteScreen.isTerminal) {
      if (!options.json) yield* note(`${yield* left}\n`)
      return yield* Effect.never
    }
    const show = Effect.flatMap(left, (text) =>
      Option.match(prompt, {
        onNone: () => note(`${CLEAR}${noteStyle.dim(text)}`),
        onSome: (one) => one.show(`${noteStyle.dim(text)} Paste the address here: `)
      }))
    return yield* Effect.ensuring(
      Effect.forever(Effect.zipRight(show, Effect.sleep("1 second"))),
      Option.isNone(prompt) ? note(CLEAR) : Effect.void
    )
  })

/**
 * Makes the person of a login. An address can be pasted at a terminal, while a browser is waited for, and nowhere else: a
 * pipe is not a person who looks at a page.
 *
 * @since 0.1.0
 * @category constructors
 */
export const person = (
  options: Options
): Effect.Effect<Person, never, Output.Output | Question.Question | Scope.Scope> =>
  Effect.gen(function*() {
    const output = yield* Output.Output
    const { canAsk } = yield* Question.Question
    const prompt = canAsk && options.method !== "device"
      ? Option.some(yield* AddressPrompt.make)
      : Option.none<AddressPrompt.AddressPrompt>()
    return {
      invite: (invitation) =>
        Effect.zipRight(
          tell(invitation, options, Option.isSome(prompt)),
          wait(invitation, options, prompt)
        ).pipe(Effect.provideService(Output.Output, output)),
      pasted: Option.match(prompt, { onNone: () => Effect.never, onSome: ({ pasted }) => pasted })
    }
  })
