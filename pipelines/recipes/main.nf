// A plan of `recon batch` as a workflow: a process for every part of its cases, and how they stand in the end.
//
//   nextflow run main.nf --plan ct-sparse.toml --shards 2
//   nextflow run main.nf -profile slurm,apptainer --plan ct-sparse.toml --shards 20

nextflow.enable.dsl = 2

params.plan = 'ct-sparse.toml'
params.shards = 4
params.recon = 'recon'

process SHARD {
    tag "${shard} of ${params.shards}"
    cpus 2
    memory '4 GB'
    time '8h'
    // Ended by a signal: its time was over, or its machine is gone. It goes on with what is done.
    errorStrategy { task.exitStatus > 128 ? 'retry' : 'finish' }
    maxRetries 3

    input:
    val shard
    val plan

    output:
    val shard

    script:
    """
    ${params.recon} batch '${plan}' --resume --shard ${shard}/${params.shards} --threads ${task.cpus}
    """
}

process STATUS {
    input:
    val shards
    val plan

    output:
    path 'status.json'

    script:
    """
    ${params.recon} batch status '${plan}' --json > status.json
    """
}

workflow {
    // The plan stays where it is: the paths in it are taken from there.
    plan = file(params.plan, checkIfExists: true).toAbsolutePath().toString()
    shards = Channel.of(1..(params.shards as int))
    SHARD(shards, plan)
    STATUS(SHARD.out.collect(), plan).view { it.text }
}
