import type { Conformance } from "../Scenario.js"
import { anthropic } from "./Anthropic.js"
import { antigravity } from "./Antigravity.js"
import { codex } from "./Codex.js"
import { copilot } from "./Copilot.js"
import { gemini } from "./Gemini.js"
import { generic } from "./Generic.js"
import { kiro } from "./Kiro.js"
import { mimocode } from "./Mimocode.js"
import { xai } from "./Xai.js"

/**
 * The suite of every vendor.
 */
export const all: ReadonlyArray<Conformance> = [
  codex,
  anthropic,
  xai,
  gemini,
  antigravity,
  copilot,
  kiro,
  mimocode,
  generic
]
