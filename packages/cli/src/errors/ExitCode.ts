/**
 * What the command's exit code says, so that a script can act on it without reading a message.
 *
 * @since 0.1.0
 */

/** Done. */
export const Done = 0
/** Unexpected, or `doctor` found something. */
export const Unexpected = 1
/** Usage and configuration. */
export const Usage = 2
/** A login is needed. */
export const LoginNeeded = 3
/** The lock timed out or cannot be taken. */
export const Lock = 4
/** The provider timed out, is unavailable or rejected the request. */
export const Provider = 5
/** The store failed, or a rotation could not be stored. */
export const Store = 6

const BY_TAG: Readonly<Record<string, number>> = {
  UsageError: Usage,
  CredentialExists: Usage,
  LoginUnavailable: Usage,
  McpAddressRefused: Usage,
  McpServerRejected: Provider,
  McpServerUnavailable: Provider,
  KeeperUnavailable: Usage,
  ProxyPortTaken: Usage,
  ProxyTargetRefused: Usage,
  LoginFailed: LoginNeeded,
  ReauthorizationRequired: LoginNeeded,
  LockTimeout: Lock,
  LockUnavailable: Lock,
  ProviderTimeout: Provider,
  ProviderUnavailable: Provider,
  ProviderRejected: Provider,
  CredentialStoreError: Store,
  RotationNotPersisted: Store
}

const SIGNAL_NUMBERS: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15
}

/**
 * The exit code of an error, by its tag.
 *
 * @since 0.1.0
 * @category getters
 */
export const fromTag = (tag: string): number => BY_TAG[tag] ?? Unexpected

/**
 * The exit code of a process that a signal ended: 128 and the signal's number.
 *
 * @since 0.1.0
 * @category getters
 */
export const fromSignal = (signal: string): number => 128 + (SIGNAL_NUMBERS[signal] ?? 0)
