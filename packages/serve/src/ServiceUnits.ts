/**
 * What makes a keeper a service of its user: units of systemd, or a property list of launchd.
 *
 * @since 0.1.0
 */

/**
 * Who starts the keeper. `auto`: what this system has.
 *
 * @since 0.1.0
 * @category models
 */
export type Manager = "auto" | "systemd" | "launchd"

/**
 * What is started.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** The program and its first arguments, absolute. */
  readonly program: ReadonlyArray<string>
  /** Global options of the command. */
  readonly globals: ReadonlyArray<string>
  /** Where clients look for the keeper's socket. */
  readonly socket: string
}

/** A word of a unit's command line (systemd.service(5), "Command lines"). */
const systemdWord = (text: string): string => {
  const escaped = text.replaceAll("%", "%%").replaceAll("$", "$$$$")
  return /^[\w@%+=:,./$-]+$/.test(escaped)
    ? escaped
    : `"${escaped.replaceAll("\\", "\\\\").replaceAll("\"", "\\\"")}"`
}

const xml = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

const commandOf = ({ globals, program }: Options): ReadonlyArray<string> => [...program, "serve", ...globals]

const systemd = (options: Options): string => {
  const command = commandOf(options).map(systemdWord).join(" ")
  return `# ~/.config/systemd/user/lockstep.socket
[Unit]
Description=Lockstep's keeper: access tokens over a socket

[Socket]
ListenStream=${options.socket.replaceAll("%", "%%")}
SocketMode=0600
DirectoryMode=0700

[Install]
WantedBy=sockets.target

# ~/.config/systemd/user/lockstep.service
[Unit]
Description=Lockstep's keeper
Requires=lockstep.socket
After=lockstep.socket

[Service]
Type=notify
ExecStart=${command}
Restart=on-failure
# A refresh that has sent its token is stored before the keeper ends.
TimeoutStopSec=60
NoNewPrivileges=yes
UMask=0077

# Put each part into the file that its first line names, then:
#   systemctl --user daemon-reload
#   systemctl --user enable --now lockstep.socket
`
}

const LABEL = "lockstep.serve"

const launchd = (options: Options): string =>
  `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!-- ~/Library/LaunchAgents/${LABEL}.plist, then: launchctl bootstrap gui/$(id -u) ~/Library/LaunchAgents/${LABEL}.plist -->
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>${LABEL}</string>
  <key>ProgramArguments</key>
  <array>
${commandOf(options).map((word) => `    <string>${xml(word)}</string>`).join("\n")}
  </array>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>ExitTimeOut</key>
  <integer>60</integer>
  <key>Umask</key>
  <integer>63</integer>
  <key>ProcessType</key>
  <string>Background</string>
</dict>
</plist>
`

/**
 * Renders what a person puts into place.
 *
 * @since 0.1.0
 * @category rendering
 */
export const render = (manager: Manager, options: Options): string =>
  (manager === "auto" ? process.platform === "darwin" : manager === "launchd") ? launchd(options) : systemd(options)
