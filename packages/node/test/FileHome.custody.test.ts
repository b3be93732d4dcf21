import { custodyContract } from "@lockstep/testkit/contract/CustodyContract"
import { custodyCrashContract } from "@lockstep/testkit/contract/CustodyCrashContract"
import * as Path from "node:path"
import * as Custodies from "./support/custodies.js"
import * as Homes from "./support/homes.js"

custodyContract("auth.json", Custodies.stageOf(Homes.twoViews))
custodyCrashContract("auth.json", Custodies.machine((root) => Homes.open(Path.join(root, "home"))))
