/**
 * The keeper of a host, for programs that await and hold no login: no home is opened, and nothing but Node is needed.
 *
 * @since 0.1.0
 */
export { connect, KeeperError } from "@lockstep/serve/KeeperClient"
export type {
  Abortable,
  ConnectOptions,
  Demand,
  KeeperClient,
  KeeperNews,
  KeeperToken,
  Question
} from "@lockstep/serve/KeeperClient"
