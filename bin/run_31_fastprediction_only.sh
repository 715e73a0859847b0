#!/bin/sh
# The fast way: sequence models and a submission from packed embeddings; needs no image, no DICOM and no classifier.
# Unpacks the archive, then runs run_14 for every fold in it, and run_15.
# In:  (first argument) the archive that run_16 wrote: a file, or a URL, which is downloaded, resumed and checked; or the
#      embeddings published in 2019: a folder or a .tar.gz with emb*.npz and the four tables
# Out: data/<data set>/slices.parquet and embeddings/<experiment>/, preds/hemorrhage/<experiment>/submission.csv.gz
#
#   sh bin/run_31_fastprediction_only.sh /mnt/share/crop.tar
#   sh bin/run_31_fastprediction_only.sh https://example.org/crop.tar
#   sh bin/run_31_fastprediction_only.sh /mnt/share/resnext101v12fold1.tar.gz
set -eu
case ${1:-} in
    *.tar.gz | *.tgz) published=yes ;;
    *) if [ -d "${1:-}" ]; then published=yes; else published=; fi ;;
esac
if [ -n "$published" ]; then CONFIG="${CONFIG:-configs/hemorrhage/published.yaml}"; fi
. "$(dirname "$(readlink -f "$0")")/_stage.sh"
if [ -n "$HELP" ]; then program scripts/hemorrhage_embedding_archive.py; fi

if [ -z "${1:-}" ]; then fail "Which archive? sh $(shown "$ROOT/bin")/run_31_fastprediction_only.sh ARCHIVE"; fi
archive=$1
shift
if [ -n "$published" ]; then
    program scripts/hemorrhage_embedding_archive.py import-published "$archive" --config "$CONFIG" --work "$WORK"
else
    download=
    case $archive in
        http://* | https://*) download=--download ;;
        *) need "$archive" run_16_export_embeddings.sh ;;
    esac
    CONFIG=$(program scripts/hemorrhage_embedding_archive.py import "$archive" --work "$WORK" $download)
    GIVEN_DATA_SET=
    use_config # the archive brings its own experiment
fi
present=
for fold in $FOLDS; do # of the folds that the experiment names, those that are there
    if [ -d "$DATA/embeddings/$EXPERIMENT/fold$fold" ]; then present="$present${present:+ }$fold"; fi
done
FOLDS="${present:-all}"
export FOLDS
stage run_14_trainfull_sequential.sh "$@"
stage run_15_bagged_submission.sh "$@"
