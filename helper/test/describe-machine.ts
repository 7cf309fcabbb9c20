import { createAgentTracker } from '../agents/tracker.ts'
import { BUILT_IN_SIGNATURES_PATH, loadSignatures } from '../agents/signatures.ts'
import { layerStatus } from '../observe/layer-status.ts'
import { readProbe } from '../observe/probe.ts'
import { probeSchema } from '../contract/probe.ts'
import { layerStatusSchema } from '../contract/layers.ts'
import { snapshotSchema } from '../contract/snapshot.ts'

/** The facts of a captured machine that its expected.json states; every part is checked against its schema on the way. */
export const describeMachine = async (root: string) => {
  const signatures = loadSignatures(BUILT_IN_SIGNATURES_PATH)
  if (!signatures.ok) throw new Error(signatures.error.message)
  const probe = probeSchema.parse(readProbe(root))
  const layers = layerStatusSchema.array().length(5).parse(layerStatus(probe))
  const snapshot = snapshotSchema.parse(await createAgentTracker({ root, signatures: signatures.value, uid: null }).snapshot({ commandLines: false, privileged: false }))
  const { machine } = probe
  return {
    kernelVersion: probe.kernelVersion,
    cgroup: probe.cgroup,
    fileSystem: probe.swapFolder.fileSystem,
    zswapCompressors: probe.zswapCompressors,
    processMadvise: probe.processMadvise,
    processMerge: probe.processMerge,
    mergeSurvivesExec: probe.mergeSurvivesExec,
    files: Object.fromEntries(Object.entries(probe.files).map(([path, reading]) => [path, reading.value])),
    totalBytes: machine.memory.totalBytes,
    availableBytes: machine.memory.availableBytes,
    pressureAvg10: machine.memoryPressure.value?.some.avg10Percent ?? null,
    swapDevices: machine.swapDevices,
    ksm: machine.ksm.value === null ? null : { run: machine.ksm.value.run, pagesSharing: machine.ksm.value.pagesSharing, generalProfitBytes: machine.ksm.value.generalProfitBytes.value, advisorMode: machine.ksm.value.advisorMode.value, smartScan: machine.ksm.value.smartScan.value },
    zram: machine.zram,
    refaultAnonPages: machine.vm.refaultAnonPages.value,
    refaultFilePages: machine.vm.refaultFilePages.value,
    compressed: { poolBytes: snapshot.compressed.poolBytes, storedBytes: snapshot.compressed.storedBytes },
    lacking: probe.capabilities.filter((row) => !row.available).map((row) => row.id),
    layers: Object.fromEntries(layers.map((layer) => [layer.id, { state: layer.state, savesBytes: layer.savesBytes.value }])),
    counts: snapshot.counts,
    agents: snapshot.agents.map((agent) => ({
      kind: agent.kind,
      name: agent.name,
      uid: agent.uid,
      state: agent.state,
      cgroup: agent.cgroup.value,
      ownCgroup: agent.ownCgroup,
      mergeable: agent.mergeable.value,
      processes: agent.processes.map((process) => `${process.role}: ${process.label}`),
      costBytes: agent.cost.costBytes,
      pssBytes: agent.cost.pssBytes,
      anonBytes: agent.cost.anonBytes.value,
      compressedBytes: agent.cost.compressedBytes,
      diskSwapBytes: agent.cost.diskSwapBytes,
      ussBytes: agent.cost.ussBytes,
    })),
  }
}
