# Jobs that fail as jobs on a cluster do, for test_slurm.py: it cancels one, one uses more memory than its first attempt asks for, and
# four want a GPU each where there are two.


def more(wildcards, attempt):
    return 400 * attempt


rule all:
    input:
        "cancelled",
        "hungry",
        expand("gpu{number}", number=range(4)),


rule cancelled:
    output:
        "cancelled",
    resources:
        mem_mb=more,
        gpu=1,
    shell:
        "echo $SLURM_JOB_ID {resources.mem_mb} >>cancelled.jobs; [ {resources.mem_mb} = 800 ] || sleep 600; touch {output}"


rule hungry:
    output:
        "hungry",
    resources:
        mem_mb=more,
    shell:
        "echo $SLURM_JOB_ID {resources.mem_mb} >>hungry.jobs; python -c 'import time; x = bytearray(500_000_000); time.sleep(4)'; touch {output}"


rule train_gpu:
    output:
        "gpu{number}",
    resources:
        gpu=1,
    shell:
        "sleep 4; touch {output}"
