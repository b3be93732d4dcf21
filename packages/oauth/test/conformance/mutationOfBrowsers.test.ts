import * as Mutation from "./Mutation.js"
import { anthropic } from "./vendors/Anthropic.js"
import { antigravity } from "./vendors/Antigravity.js"
import { codex } from "./vendors/Codex.js"
import { gemini } from "./vendors/Gemini.js"
import { mimocode } from "./vendors/Mimocode.js"

for (const conformance of [codex, anthropic, gemini, antigravity, mimocode]) Mutation.test(conformance)
