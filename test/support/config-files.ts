import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { checkConfig, formatProblem, type Role } from '../../shared/config/index.ts'
import { SystemDisk } from '../../shared/runtime/index.ts'

/** Configuration files in a folder of their own. */
export class ConfigFiles {
  readonly directory: string
  readonly #disk = new SystemDisk()

  private constructor(directory: string) {
    this.directory = directory
  }

  static async create(): Promise<ConfigFiles> {
    return new ConfigFiles(await mkdtemp(path.join(tmpdir(), 'petiole-config-')))
  }

  async write(name: string, text: string): Promise<string> {
    const file = path.join(this.directory, name)
    await writeFile(file, text)
    return file
  }

  /** What `config check` prints for a text, with the folder's name cut off. */
  async check(
    text: string,
    role?: Role,
    environment: Readonly<Record<string, string>> = {},
  ): Promise<{ role: Role; problems: string[]; warnings: string[] }> {
    const file = await this.write('test.conf', text)
    const checked = await checkConfig(this.#disk, file, role, environment)
    const short = (line: string): string => line.replaceAll(`${this.directory}${path.sep}`, '')
    return {
      role: checked.role,
      problems: checked.problems.map(formatProblem).map(short),
      warnings: checked.warnings.map(formatProblem).map(short),
    }
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true })
  }
}
