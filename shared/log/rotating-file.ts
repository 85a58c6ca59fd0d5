import { AppendFile, messageOf } from '../runtime/index.ts'

export interface Rotation {
  /** Bytes after which the file is set aside; 0: never. */
  readonly sizeMax: number
  /** Files that are kept, the current one among them; 0: all. */
  readonly filesMax: number
}

export interface RotationPort {
  /** What the time is, as ISO 8601. */
  now(): string
  /** A line about the file itself, formatted as all others. */
  line(level: 'info' | 'error', message: string): string
  /** Where else somebody may see that the file takes no lines. */
  instead(line: string): void
}

/**
 * A log file that is set aside when it has grown too large, under nats-server's names:
 * `<file>.2026.11.21.09.00.00.000000000`. What fails is said in the file itself, and tried again when it has
 * grown to twice the size: a log that cannot be set aside goes on. Lines that the disk does not take are
 * counted; how many they were is the first that it takes again.
 */
export class RotatingFile {
  readonly #file: AppendFile
  readonly #port: RotationPort
  #rotation: Rotation
  #sizeMax: number
  #backups = 0
  #lost = 0

  constructor(path: string, rotation: Rotation, port: RotationPort) {
    this.#file = new AppendFile(path)
    this.#rotation = rotation
    this.#sizeMax = rotation.sizeMax
    this.#port = port
  }

  get path(): string {
    return this.#file.path
  }

  write(line: string): void {
    this.#append(line)
    if (this.#sizeMax > 0 && this.#file.size > this.#sizeMax) this.#rotate()
  }

  configure(rotation: Rotation): void {
    this.#rotation = rotation
    this.#sizeMax = rotation.sizeMax
  }

  reopen(): void {
    this.#file.reopen()
  }

  close(): void {
    this.#file.close()
  }

  #append(line: string): void {
    const error = this.#tellLost() ?? this.#file.write(line)
    if (error === undefined) return
    if (this.#lost++ > 0) return
    const reason = messageOf(error)
    const text = `Cannot write to the log file "${this.path}" (${reason}): lines are lost until it can`
    this.#port.instead(this.#port.line('error', text))
  }

  #tellLost(): unknown {
    if (this.#lost === 0) return undefined
    const text = `${this.#lost} lines were lost: the log file could not be written`
    const error = this.#file.write(this.#port.line('error', text))
    if (error === undefined) this.#lost = 0
    return error
  }

  #rotate(): void {
    const backup = `${this.#file.path}.${backupStamp(this.#port.now(), this.#backups++)}`
    try {
      this.#file.setAside(backup)
      this.#sizeMax = this.#rotation.sizeMax
      this.#say('info', `Rotated log, backup saved as "${backup}"`)
      if (this.#rotation.filesMax > 0) this.#purge()
    } catch (error) {
      this.#sizeMax *= 2
      const next = `will attempt next rotation at size ${this.#sizeMax}`
      this.#say('error', `Unable to rotate the logfile (${messageOf(error)}), ${next}`)
    }
  }

  #purge(): void {
    const backups = this.#file.siblings().filter((name) => BACKUP.test(name))
    const surplus = backups.length - (this.#rotation.filesMax - 1)
    for (const name of backups.slice(0, Math.max(0, surplus))) {
      this.#file.removeSibling(name)
      this.#say('info', `Purged log file "${name}"`)
    }
  }

  #say(level: 'info' | 'error', message: string): void {
    this.#append(this.#port.line(level, message))
  }
}

const BACKUP = /\.\d{4}(\.\d\d){5}\.\d{1,9}$/

/**
 * `2026-11-21T09:00:00.123Z` as `2026.11.21.09.00.00.123000000`; backups of one file sort by it. Two of one
 * millisecond are told apart by a number in the place of the nanoseconds.
 */
function backupStamp(iso: string, count: number): string {
  const [, seconds = '', milliseconds = ''] = /^(.*)\.(\d{3})Z$/.exec(iso) ?? []
  return `${seconds.replace(/[-T:]/g, '.')}.${milliseconds}${String(count % 1_000_000).padStart(6, '0')}`
}
