# The service: worker, API and every command of `halt400`, from the pinned dependencies, not as root.
# With a C compiler, for the native extension.
FROM python:3.11 AS build
WORKDIR /src
RUN python -m venv /opt/halt400
COPY requirements-service.lock .
RUN /opt/halt400/bin/pip install --no-cache-dir --require-hashes -r requirements-service.lock
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY halt400 halt400
COPY streams streams
RUN /opt/halt400/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11-slim
COPY --from=build /opt/halt400 /opt/halt400
ENV PATH=/opt/halt400/bin:$PATH PYTHONUNBUFFERED=1 HALT400_STATE_DIR=/var/lib/halt400/state
RUN useradd --system --uid 10400 --create-home --home-dir /var/lib/halt400 halt400 \
    && install --directory --owner halt400 --group halt400 --mode 700 /var/lib/halt400/state
USER 10400
WORKDIR /var/lib/halt400
EXPOSE 8400
ENTRYPOINT ["halt400"]
CMD ["worker"]
