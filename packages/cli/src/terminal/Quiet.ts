/**
 * What is said where no person listens: nothing. A program's streams are its own, and a keeper's clients have theirs.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Output } from "./Output.js"
import { Question } from "./Question.js"
import * as Style from "./Style.js"

const screen = { isTerminal: false, columns: 80 }

/**
 * Prints nothing, and asks nothing.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Output | Question> = Layer.merge(
  Layer.succeed(
    Output,
    Output.of({
      data: () => Effect.void,
      note: () => Effect.void,
      dataStyle: Style.plain,
      noteStyle: Style.plain,
      screen,
      noteScreen: screen,
      isInteractive: false
    })
  ),
  Layer.succeed(Question, Question.of({ canAsk: false, ask: () => Effect.succeedNone }))
)
