import { custodyContract } from "@lockstep/testkit/contract/CustodyContract"
import { custodyCrashContract } from "@lockstep/testkit/contract/CustodyCrashContract"
import * as Homes from "@lockstep/testkit/homes/FileHomes"
import * as Custodies from "@lockstep/testkit/homes/HomeCustodies"
import * as Path from "node:path"

custodyContract("auth.json", Custodies.stageOf(Homes.twoViews))
custodyCrashContract("auth.json", Custodies.machine((root) => Homes.open(Path.join(root, "home"))))
