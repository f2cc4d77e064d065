# The page in a container:
#   docker build --tag poet .
#   docker run --rm --publish 127.0.0.1:7860:7860 poet
# And every other command of poet: docker run --rm poet write 春
# Poems are written with NumPy, so there is no torch in it.
FROM python:3.12-slim AS wheel
WORKDIR /source
COPY . .
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheel .

FROM python:3.12-slim
RUN --mount=from=wheel,source=/wheel,target=/wheel \
    python -m pip install --no-cache-dir "$(echo /wheel/*.whl)[app]"
RUN useradd --create-home --uid 1000 poet && install --directory --owner poet /cache

# models of the Hub, and an index of the collection, if one is built
ENV HF_HOME=/cache/huggingface POET_CACHE=/cache/poet_model PYTHONUNBUFFERED=1
VOLUME /cache
USER poet
WORKDIR /home/poet
EXPOSE 7860
# the first process of a container ignores SIGTERM, but Python handles this one
STOPSIGNAL SIGINT
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["python", "-c", "from urllib.request import *; build_opener(ProxyHandler({})).open('http://127.0.0.1:7860/', timeout=5)"]
ENTRYPOINT ["poet"]
CMD ["app", "--host", "0.0.0.0", "--port", "7860"]
