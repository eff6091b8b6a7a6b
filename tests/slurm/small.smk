# Jobs to which happens what happens to jobs on clusters, for test_slurm.py: on its first attempt one is cancelled, and one uses more
# memory than it asked for.


def more(wildcards, attempt):
    return 400 * attempt


rule all:
    input:
        "cancelled",
        "hungry",


rule cancelled:
    output:
        "cancelled",
    resources:
        mem_mb=more,
    shell:
        """
        echo $SLURM_JOB_ID >>cancelled.jobs
        if [ {resources.mem_mb} = 400 ]; then scancel $SLURM_JOB_ID; sleep 600; fi
        touch {output}
        """


rule hungry:
    output:
        "hungry",
    resources:
        mem_mb=more,
    shell:
        """
        echo $SLURM_JOB_ID >>hungry.jobs
        python -c 'import time; x = bytearray(500_000_000); time.sleep(4)'
        touch {output}
        """
