import { accessSync, constants } from 'node:fs'
import * as path from 'node:path'

const ROOT = path.resolve(import.meta.dirname, '../../..')

/** What is started for either kind: `NATS_SERVER`, `.peers/bin` or the search path hold the real one. */
export const PATHS: Readonly<Record<'petiole' | 'nats-server', () => readonly string[]>> = {
  petiole: () => [process.execPath, path.join(ROOT, 'dist/cli.js'), 'nats-server'],
  'nats-server': () => {
    const named = process.env['NATS_SERVER']
    if (named !== undefined) return [named]
    const folders = [path.join(ROOT, '.peers/bin'), ...(process.env['PATH'] ?? '').split(':')]
    for (const folder of folders) {
      const file = path.join(folder, 'nats-server')
      try {
        accessSync(file, constants.X_OK)
        return [file]
      } catch {}
    }
    throw new Error(
      'nats-server is not here: set NATS_SERVER to its path, or put it into .peers/bin',
    )
  },
}
