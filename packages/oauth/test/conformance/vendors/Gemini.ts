import * as TenantId from "@lockstep/core/TenantId"
import { gemini as vendor } from "@lockstep/oauth/vendors/Gemini"
import * as Emulator from "@lockstep/testkit/vendors/Gemini"
import * as Google from "@lockstep/testkit/vendors/Google"
import * as Flows from "../Flows.js"
import * as Logins from "../Logins.js"
import * as Refreshes from "../Refreshes.js"
import type { Conformance, Facts } from "../Scenario.js"
import { googleScenarios, googleUnobservable } from "./Google.js"

const facts: Facts = {
  tenant: TenantId.make("gemini"),
  vendor: "gemini",
  issuer: "https://accounts.google.com",
  clientId: "681255809395-oo8ft2oprdrnp9e3aqf6av3hmdib135j.apps.googleusercontent.com",
  account: { id: Google.ACCOUNT.id, label: Google.ACCOUNT.label },
  lifetime: Google.LIFETIME,
  loginLifetime: null,
  refreshToken: "Stays",
  scope:
    "https://www.googleapis.com/auth/cloud-platform https://www.googleapis.com/auth/userinfo.email https://www.googleapis.com/auth/userinfo.profile",
  request: {}
}

export const gemini: Conformance = {
  vendor,
  facts,
  emulator: Emulator.make,
  environment: { LOCKSTEP_GEMINI_CLIENT_SECRET: Google.CLIENT_SECRET },
  scenarios: [
    ...googleScenarios(facts, "GEMINI"),
    Logins.stores("the code that the vendor's page shows is stored", facts, Logins.pasteCode),
    Logins.pastesAt(facts, "https://codeassist.google.com/authcode"),
    Logins.anyPort(facts),
    Refreshes.margin(facts, Flows.browser, 300)
  ],
  unobservable: googleUnobservable
}
