import * as TenantId from "@lockstep/core/TenantId"
import { antigravity as vendor } from "@lockstep/oauth/vendors/Antigravity"
import * as Emulator from "@lockstep/testkit/vendors/Antigravity"
import * as Google from "@lockstep/testkit/vendors/Google"
import * as Flows from "../Flows.js"
import * as Logins from "../Logins.js"
import * as Refreshes from "../Refreshes.js"
import type { Conformance, Facts } from "../Scenario.js"
import { googleScenarios, googleUnobservable } from "./Google.js"

const facts: Facts = {
  tenant: TenantId.make("antigravity"),
  vendor: "antigravity",
  issuer: "https://accounts.google.com",
  clientId: "1071006060591-tmhssin2h21lcre235vtolojh4g403ep.apps.googleusercontent.com",
  account: { id: Google.ACCOUNT.id, label: Google.ACCOUNT.label },
  lifetime: Google.LIFETIME,
  loginLifetime: null,
  refreshToken: "Stays",
  scope: [
    "https://www.googleapis.com/auth/cloud-platform",
    "https://www.googleapis.com/auth/userinfo.email",
    "https://www.googleapis.com/auth/userinfo.profile",
    "https://www.googleapis.com/auth/cclog",
    "https://www.googleapis.com/auth/experimentsandconfigs"
  ].join(" "),
  request: {}
}

export const antigravity: Conformance = {
  vendor,
  facts,
  emulator: Emulator.make,
  environment: { LOCKSTEP_ANTIGRAVITY_CLIENT_SECRET: Google.CLIENT_SECRET },
  scenarios: [
    ...googleScenarios(facts, "ANTIGRAVITY"),
    Logins.stores("a pasted address is stored", facts, Logins.pasteAddress),
    Logins.fixedPorts(facts, [51121]),
    Refreshes.margin(facts, Flows.browser, 300)
  ],
  unobservable: googleUnobservable
}
